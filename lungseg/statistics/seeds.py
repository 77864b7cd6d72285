"""Several seeds of one arm on the same cases: the spread over patients and the spread over seeds, kept apart.

A score is taken as mean + case + seed + residual, each with its own variance (two-way random effects, one score in a
cell). The residual, what a seed does to a case, moves the mean of a seed too, even if no seed is better than another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lungseg.statistics.bootstrap import mean_interval
from lungseg.statistics.cases import Floats, patient_sums, scored
from lungseg.statistics.paired import RESAMPLES, Paired, compare


@dataclass(frozen=True, slots=True)
class Spread:
    """Of S seeds on N cases, in the units of the scores.

    ``mean`` over cases and seeds; ``low``, ``high``: its 95% interval over patients, for these very seeds. ``seed_sd``:
    SD of ``seed_means`` [S] as they are; ``between_seeds``: what is left of it without the share of the residuals, at
    least 0. ``between_cases`` and ``residual`` are SDs of single scores. With one seed ``between_cases`` holds the
    residual too, and the other SDs are NaN; so are ``between_seeds`` with one patient, ``between_cases`` and
    ``residual`` with one case, and everything without a case.
    """

    mean: float
    low: float
    high: float
    seed_means: Floats
    between_seeds: float
    seed_sd: float
    between_cases: float
    residual: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Arms:
    """First minus second. ``cases``: of the seeds' mean on each case, for these very seeds.

    ``seeds_p``, ``seeds_low``, ``seeds_high``: Welch's t test and its 95% interval from the means of the seeds, on
    these very cases; NaN where an arm has one seed or no seed of either differs from its others.
    """

    cases: Paired
    seeds_p: float
    seeds_low: float
    seeds_high: float


def spread(values: Floats, patients: Sequence[str], *, resamples: int = 2000, seed: int = 0) -> Spread:
    """``values`` [N, S]; NaN in all seeds is left out, NaN in some raises ValueError."""
    there = scored(values)
    values, owners = values[there], np.asarray(patients)[there].tolist()
    cases, seeds = values.shape
    if not cases:
        nothing = (float("nan"),) * 3
        return Spread(*nothing, np.full(seeds, np.nan), *nothing, float("nan"), seeds)
    by_case, seed_means = values.mean(axis=1), values.mean(axis=0)
    low, high = mean_interval(by_case, owners, resamples=resamples, seed=seed)
    rest = values - by_case[:, None] - seed_means + values.mean()
    residual = _ratio((rest**2).sum(), (cases - 1) * (seeds - 1))
    of_cases = _ratio(((by_case - by_case.mean()) ** 2).sum(), cases - 1)
    of_seeds = _ratio(((seed_means - seed_means.mean()) ** 2).sum(), seeds - 1)
    return Spread(
        mean=float(values.mean()),
        low=low,
        high=high,
        seed_means=seed_means,
        between_seeds=_root(of_seeds - _noise(rest, owners)),
        seed_sd=_root(of_seeds),
        between_cases=_root(of_cases - (residual / seeds if seeds > 1 else 0.0)),
        residual=_root(residual),
        seeds=seeds,
    )


def compare_arms(
    first: Floats, second: Floats, patients: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> Arms:
    """``first`` [N, S1] and ``second`` [N, S2] on the same cases; NaN as in ``compare``, over all seeds of both."""
    over_cases = compare(first.mean(axis=1), second.mean(axis=1), patients, resamples=resamples, seed=seed)
    return Arms(over_cases, *welch(first, second))


def welch(first: Floats, second: Floats) -> tuple[float, float, float]:
    """P and 95% interval of first minus second from the means of the seeds; NaN as in ``Arms``."""
    there = scored(np.hstack([first, second]))
    means = first[there].sum(axis=0) / max(there.sum(), 1), second[there].sum(axis=0) / max(there.sum(), 1)
    if min(map(len, means)) < 2 or not there.any() or max(np.ptp(arm) for arm in means) < 1e-12:
        return float("nan"), float("nan"), float("nan")
    test = stats.ttest_ind(*means, equal_var=False)
    interval = test.confidence_interval(0.95)
    return float(test.pvalue), float(interval.low), float(interval.high)


def _noise(rest: Floats, patients: Sequence[str]) -> float:
    """Variance that residuals ``rest`` [N, S] give the mean of a seed; residuals of one patient may hang together.

    With one case a patient it is the residual mean square over N. NaN with one patient or one seed.
    """
    sums = patient_sums(rest, patients)[0]
    count, seeds = sums.shape
    return _ratio((sums**2).sum() * count, len(rest) ** 2 * (count - 1) * (seeds - 1))


def _ratio(above: float, below: float) -> float:
    """NaN where the denominator is 0."""
    return float(above / below) if below else float("nan")


def _root(variance: float) -> float:
    """Of 0 where chance made it negative."""
    return float(np.sqrt(np.maximum(variance, 0.0)))
