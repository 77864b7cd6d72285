"""Several seeds of one arm on the same cases: the spread over patients and the spread over seeds, kept apart.

A score is taken as mean + case + seed + residual, each with its own variance (two-way random effects, one score in a
cell). The residual, what a seed does to a case, moves the mean of a seed too, even if no seed is better than another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lungseg.metrics.stats.patient_weights import Floats, patient_sums, scored, snapped


@dataclass(frozen=True, slots=True)
class Spread:
    """Of S seeds on N cases, in the units of the scores.

    ``seed_sd``: SD of ``seed_means`` [S] as they are; ``between_seeds``: what is left of it without the share of the
    residuals, at least 0. ``between_cases`` and ``residual`` are SDs of single scores. With one seed ``between_cases``
    holds the residual too, and the other SDs are NaN; so are ``between_seeds`` with one patient, ``between_cases`` and
    ``residual`` with one case, and everything without a case.
    """

    seed_means: Floats
    between_seeds: float
    seed_sd: float
    between_cases: float
    residual: float
    seeds: int


def spread(values: Floats, patients: Sequence[str]) -> Spread:
    """``values`` [N, S]; NaN in all seeds is left out, NaN in some raises ValueError."""
    there = scored(values)
    values, owners = values[there], np.asarray(patients)[there].tolist()
    cases, seeds = values.shape
    if not cases:
        return Spread(np.full(seeds, np.nan), *(float("nan"),) * 4, seeds)
    by_case, seed_means = values.mean(axis=1), values.mean(axis=0)
    rest = values - by_case[:, None] - seed_means + values.mean()
    residual = _ratio((rest**2).sum(), (cases - 1) * (seeds - 1))
    of_cases = _ratio(((by_case - by_case.mean()) ** 2).sum(), cases - 1)
    of_seeds = _ratio(((seed_means - seed_means.mean()) ** 2).sum(), seeds - 1)
    return Spread(
        seed_means=seed_means,
        between_seeds=_root(of_seeds - _noise(rest, owners)),
        seed_sd=_root(of_seeds),
        between_cases=_root(of_cases - (residual / seeds if seeds > 1 else 0.0)),
        residual=_root(residual),
        seeds=seeds,
    )


def seeds_p(first: Floats, second: Floats) -> float:
    """Welch's t test with the means of the seeds as the sample: ``first`` [N, S1], ``second`` [N, S2], the same cases.

    NaN where an arm has one seed, or no seed of either differs from its others but by the noise of floating point.
    """
    there = scored(np.hstack([first, second]))
    if min(first.shape[1], second.shape[1]) < 2 or not there.any():
        return float("nan")
    scale = float(np.abs(np.hstack([first, second])[there]).max())
    means = [snapped(arm[there].mean(axis=0), scale) for arm in (first, second)]
    if max(np.ptp(arm) for arm in means) == 0:
        return float("nan")
    described = [(arm.mean(), arm.std(ddof=1), len(arm)) for arm in means]
    return float(stats.ttest_ind_from_stats(*described[0], *described[1], equal_var=False).pvalue)


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
