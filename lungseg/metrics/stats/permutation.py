"""p by permutation: each patient's scores swapped between two runs by the toss of a coin, which flips a sign."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.metrics.stats.bootstrap import NUMBERS
from lungseg.metrics.stats.patient_weights import Floats, patient_sums, scored, snapped

RESAMPLES = 10_000  # sign flips
Numbers = NDArray[np.intp]


def p_of_all(values: Floats, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Tests every column of ``values`` [N, R] against every other -> p [R, R], for many runs.

    As ``paired.compare_all``, but no sign flip among ``resamples`` says less than 1 / ``resamples``, which no
    correction for thousands of pairs leaves below 0.05: where none went as far, p is at most Hoeffding's bound over all
    flips, 2 exp(-t^2 / (2 sum d^2)), with d the patients' differences and t their sum.
    """
    runs = values.shape[1]
    left, right = np.triu_indices(runs, 1)
    p = np.full((runs, runs), np.nan)
    there = scored(values)
    if not there.any():
        return p
    np.fill_diagonal(p, 1)
    owners = np.asarray(patients)[there].tolist()
    p[left, right] = flipped_sums(values[there], owners, resamples, seed).p_of_columns(left, right, bounded=True)
    p[right, left] = p[left, right]
    return p


def smallest_p(patients: int, resamples: int = RESAMPLES) -> float:
    """Computes the smallest p that a test of so many patients can come to, however large the difference is."""
    flips = 2**patients
    return min(1.0, 2 / flips) if flips <= resamples else 1 / (resamples + 1)


def p_of_pairs(
    values: Floats, left: Numbers, right: Numbers, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Tests columns ``left`` [C] of ``values`` [N, R], which hold no NaN, against columns ``right`` [C] -> p [C]."""
    return flipped_sums(values, patients, resamples, seed).p_of_columns(left, right)


@dataclass(frozen=True)
class FlippedSums:
    """Holds scores [N, R], their sums by patient [P, R], and what the sums come to under each sign flip [m, R]."""

    values: Floats
    sums: Floats
    flipped: Floats
    exact: bool  # these are all sign flips that there are
    scale: float
    step: int  # pairs at a time, to bound the memory

    def differences(self, one: Numbers, other: Numbers) -> tuple[Floats, Floats, Floats]:
        """Subtracts columns ``other`` from ``one`` -> by case [N, c], by patient [P, c], by flip [m, c]."""
        by_case = snapped(self.values[:, one] - self.values[:, other], self.scale)
        return by_case, self.sums[:, one] - self.sums[:, other], self.flipped[:, one] - self.flipped[:, other]

    def p_of_columns(self, left: Numbers, right: Numbers, bounded: bool = False) -> Floats:
        """Tests columns ``left`` [C] against ``right`` [C] -> p [C]; ``bounded``: see ``p_of_all``."""
        parts = [slice(start, start + self.step) for start in range(0, len(left), self.step)]
        found = [self.p(*self.differences(left[part], right[part]), bounded) for part in parts]
        return np.concatenate(found) if found else np.zeros(0)

    def p(self, by_case: Floats, by_patient: Floats, by_flip: Floats, bounded: bool = False) -> Floats:
        """Tests differences [N, c] -> p [c]; ``bounded``: see ``p_of_all``."""
        total = np.abs(by_case.sum(axis=0))
        beyond = (np.abs(by_flip) >= total - 1e-12 * self.scale * len(self.values)).sum(axis=0)
        if self.exact:
            return np.asarray(beyond / len(by_flip))
        p = (beyond + 1) / (len(by_flip) + 1)
        if not bounded:
            return np.asarray(p)
        squares = np.maximum((by_patient**2).sum(axis=0), np.finfo(np.float64).tiny)
        bound = np.maximum(2 * np.exp(-(total**2) / (2 * squares)), np.finfo(np.float64).tiny)  # never 0
        return np.asarray(np.where(beyond == 0, np.minimum(p, bound), p))


def flipped_sums(values: Floats, patients: Sequence[str], resamples: int, seed: int) -> FlippedSums:
    """Sums ``values`` [N, R], which hold no NaN, by patient, under sign flips that are the same for all columns."""
    sums = patient_sums(values, patients)[0]
    flipped = np.concatenate([signs @ sums for signs in sign_flips(len(sums), resamples, seed)])
    step = max(1, 2 * NUMBERS // max(len(values), resamples))
    return FlippedSums(values, sums, flipped, 2 ** len(sums) <= resamples, float(np.abs(values).max()), step)


def sign_flips(patients: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Draws 1 and -1, [m, P] at a time: all 2^P if these are no more than ``resamples``, else so many by chance."""
    if 2**patients <= resamples:
        yield np.where(np.arange(2**patients)[:, None] >> np.arange(patients) & 1, -1.0, 1.0)
        return
    generator = np.random.default_rng(seed)
    step = max(1, NUMBERS // patients)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        yield np.where(generator.integers(2, size=(rows, patients), dtype=np.int8), -1.0, 1.0)
