"""Which cases count, and what each patient contributes to a mean over cases."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weight = Literal["images", "patients"]  # whose mean is taken: of all images, or of the patients' own means

WEIGHTS: tuple[Weight, ...] = ("images", "patients")
ENOUGH = 15  # effective patients; with fewer an interval holds the truth less often than it says


def scored(values: Floats) -> NDArray[np.bool_]:
    """[N, R] -> [N]: whether a case has a score, in all runs or in none (NaN).

    A case that one run has a score for and another has not raises ValueError: their means would be over other cases.
    """
    there = ~np.isnan(values)
    uneven = np.flatnonzero(there.any(axis=1) & ~there.all(axis=1))
    if len(uneven):
        raise ValueError(f"case {uneven[0]} has a score on one side only ({len(uneven)} such cases of {len(values)})")
    return np.asarray(there.all(axis=1))


def patient_sums(values: Floats, patients: Sequence[str]) -> tuple[Floats, Floats]:
    """[N, C] -> sums and numbers of scores, [P, C] each; NaN counts for nothing, nor does a patient with NaN alone."""
    if len(patients) != len(values):
        raise ValueError(f"{len(values)} cases but {len(patients)} patients")
    there = ~np.isnan(values)
    known = there.any(axis=1)
    if not known.any():
        return np.empty((0, values.shape[1])), np.empty((0, values.shape[1]))
    owner = np.unique(np.asarray(patients)[known], return_inverse=True)[1]
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    kept, counted = values[known][order], there[known][order]
    sums = np.add.reduceat(np.where(counted, kept, 0.0), starts, axis=0)
    return sums, np.add.reduceat(counted.astype(np.float64), starts, axis=0)


def snapped(values: Floats, scale: float) -> Floats:
    """Without the noise of floating point at 1e-12 of ``scale``, so that equals are equal and ties are ties."""
    return np.asarray(np.round(values / scale, 12) * scale) if scale > 0 else values


def weighted(values: Floats, patients: Sequence[str], weight: Weight) -> tuple[Floats, list[str]]:
    """Gives the rows that count alike in a mean, and whose they are: ``values`` [N, C] as they are, or one a patient.

    A patient's row is the mean of the scores that there are; NaN where there is none.
    """
    if weight == "images":
        return values, list(patients)
    known = ~np.isnan(values).all(axis=1)
    sums, counts = patient_sums(values, patients)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means, np.unique(np.asarray(patients)[known]).tolist() if known.any() else []


def effective_patients(values: Floats, patients: Sequence[str], weight: Weight = "images") -> float:
    """Counts the patients behind the mean of ``values`` [N]: (sum of m)^2 / sum of m^2, for m images of each.

    It is the number of patients where all have as many images, and nearly 1 where one has nearly all of them. With
    ``weight="patients"`` each counts once. 0 where there is no score; NaN values are left out.
    """
    counts = patient_sums(values[:, None], patients)[1]
    if weight == "patients" or not len(counts):
        return float(len(counts))
    return float(counts.sum() ** 2 / (counts**2).sum())


def weighted_mean(values: Floats, patients: Sequence[str], weight: Weight = "images") -> float:
    """Averages ``values`` [N] over images or over patients; NaN values are left out, NaN where nothing is left."""
    rows = weighted(values[:, None], patients, weight)[0]
    known = rows[~np.isnan(rows)]
    return float(known.mean()) if len(known) else float("nan")
