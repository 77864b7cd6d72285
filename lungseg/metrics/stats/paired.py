"""Two runs on the same cases: how much they differ, how surely, and on how many patients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from lungseg.metrics.stats.bootstrap import mean_intervals
from lungseg.metrics.stats.patient_weights import Floats, patient_sums, scored, snapped
from lungseg.metrics.stats.permutation import RESAMPLES, Numbers, flipped_sums, sign_flips

EXACT = 13  # patients, up to which these are all that there are
DRAWS = 2000  # of patients at most, for the interval
COLUMNS = ("difference", "low", "high", "p", "wilcoxon_p", "effect", "superiority")


@dataclass(frozen=True, slots=True)
class Paired:
    """First minus second, over the cases that both have a score for.

    ``difference`` of the means over cases with its 95% interval, NaN with one patient and where it is the same in all.
    ``p``: how often it would be as large, either way, if each patient's scores were swapped between the runs by the
    toss of a coin. So it is exact for runs that are exchangeable, not for runs of equal means: where one's scores are
    skewed and the other's are not, it is below 0.05 in 17% of samples of 10 patients and 8% of 50, and the interval
    leaves out 0 as well in 8% and 3% (``benchmarks/intervals.py``). So a difference is sure only by both, see
    ``multiplicity.sure``. ``wilcoxon_p``:
    signed ranks of the patients' mean differences. ``effect``: mean over SD of these (Cohen's d_z), corrected for few
    patients; 0 where all are 0, infinite where all are equal, NaN below three patients. ``superiority``: share of
    patients on which first is higher, ties count half; where lower is better, it is the share on which first is worse.
    Without any case the numbers are NaN.
    """

    difference: float
    low: float
    high: float
    p: float
    wilcoxon_p: float
    effect: float
    superiority: float
    cases: int
    patients: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """As ``Paired``, for many pairs: arrays [R, R], row minus column; on the diagonal each run with itself."""

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    wilcoxon_p: Floats
    effect: Floats
    superiority: Floats
    cases: int
    patients: int


def compare(
    first: Floats, second: Floats, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> Paired:
    """[N] twice, first minus second; NaN on both sides is left out, on one side it raises ValueError."""
    found = _columns(np.stack([first, second], axis=1), np.array([0]), np.array([1]), patients, resamples, seed)
    return _single(found, 0)


def compare_with(
    values: Floats, reference: int, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Paired]:
    """Each column of ``values`` [N, R] but ``reference`` minus that one: R - 1, in the order of the columns."""
    others = np.delete(np.arange(values.shape[1]), reference)
    found = _columns(values, others, np.full(len(others), reference), patients, resamples, seed)
    return [_single(found, column) for column in range(len(others))]


def compare_all(values: Floats, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Pairs:
    """Every column of ``values`` [N, R] minus every other."""
    runs = values.shape[1]
    left, right = np.triu_indices(runs, 1)
    found = _columns(values, left, right, patients, resamples, seed)
    itself = float("nan") if found.cases == 0 else 0.0

    def square(upper: Floats, lower: Floats, diagonal: float) -> Floats:
        out = np.full((runs, runs), diagonal)
        out[left, right], out[right, left] = upper, lower
        return out

    bound = itself if found.patients > 1 else float("nan")
    return Pairs(
        square(found.difference, -found.difference, itself),
        square(found.low, -found.high, bound),
        square(found.high, -found.low, bound),
        square(found.p, found.p, itself + 1),
        square(found.wilcoxon_p, found.wilcoxon_p, itself + 1),
        square(found.effect, -found.effect, itself),
        square(found.superiority, 1 - found.superiority, itself + 0.5),
        found.cases,
        found.patients,
    )


def _single(found: Pairs, column: int) -> Paired:
    numbers = {name: float(getattr(found, name)[column]) for name in COLUMNS}
    return Paired(**numbers, cases=found.cases, patients=found.patients)


def _columns(
    values: Floats, left: Numbers, right: Numbers, patients: Sequence[str], resamples: int, seed: int
) -> Pairs:
    """Columns ``left`` [C] minus columns ``right`` [C] of ``values`` [N, R] -> arrays [C]."""
    there = scored(values)
    values, owners = values[there], np.asarray(patients)[there].tolist()
    found = {name: np.full(len(left), np.nan) for name in COLUMNS}
    if not len(values):
        return Pairs(**found, cases=0, patients=0)
    flips, counts = flipped_sums(values, owners, resamples, seed), patient_sums(values, owners)[1]
    for start in range(0, len(left), flips.step):
        part = slice(start, start + flips.step)
        differences, by_patient, by_flip = flips.differences(left[part], right[part])
        found["difference"][part] = differences.mean(axis=0)
        found["low"][part], found["high"][part] = mean_intervals(
            differences, owners, resamples=min(resamples, DRAWS), seed=seed
        )
        found["p"][part] = flips.p(differences, by_patient, by_flip)
        means = snapped(patient_sums(differences, owners)[0] / counts[:, :1], flips.scale)
        found["wilcoxon_p"][part], found["effect"][part] = _wilcoxon(means), _effect(means)
        found["superiority"][part] = (means > 0).mean(axis=0) + (means == 0).mean(axis=0) / 2
    return Pairs(**found, cases=len(values), patients=len(counts))


def _wilcoxon(means: Floats) -> Floats:
    """[P, C] -> p [C]; zeros are left out, 1 where all are 0. Enumerated up to ``EXACT`` patients, else normal."""
    from scipy import stats  # every start of a training would wait for it

    magnitudes = np.abs(means)
    zeros = (means == 0).sum(axis=0)
    signed = np.sign(means) * (stats.rankdata(magnitudes, axis=0) - zeros)
    observed = np.abs(signed.sum(axis=0))
    if len(means) <= EXACT:
        flipped = np.concatenate([signs @ signed for signs in sign_flips(len(means), 2**EXACT, 0)])
        return np.asarray((np.abs(flipped) >= observed - 1e-9).mean(axis=0))
    deviation = np.sqrt((signed**2).sum(axis=0))
    return np.asarray(2 * special.ndtr(-observed / np.maximum(deviation, 1)))


def _effect(means: Floats) -> Floats:
    """[P, C] -> [C]."""
    mean, freedom = means.mean(axis=0), len(means) - 1
    if freedom < 2:
        return np.where((means == 0).all(axis=0), 0.0, np.nan)
    deviation = np.where(means.max(axis=0) > means.min(axis=0), means.std(axis=0, ddof=1), 0.0)
    correction = np.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = correction * mean / deviation
    return np.where((means == 0).all(axis=0), 0.0, effect)
