"""Many runs on the same cases: which is best, and how steady that is when these patients are resampled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lungseg.metrics.stats.bootstrap import resampled_means
from lungseg.metrics.stats.patient_weights import Floats, scored, snapped


@dataclass(frozen=True, slots=True)
class Ranking:
    """Of R runs; rank 1 is the best, ties have the mean of their ranks.

    ``order``: columns, the best first. ``means`` over cases. ``first``: the share of resamples of these patients in
    which each is first, ties share one. That promises nothing of other patients, as the resamples hold the luck that
    put it first here: of ten equal models the best is first in 45 to 47% of them, of two in 74 to 78%
    (``benchmarks/intervals.py``). ``rank_low``, ``rank_high``: the middle 95% of its ranks. ``agreement``: Kendall's
    tau-b of a drawn ranking with the observed one, in the mean: 1 if patients never matter, 0 if the ranking is chance;
    NaN for a single run or where all are equal. With one patient all but ``order`` and ``means`` is NaN.
    """

    order: NDArray[np.intp]
    means: Floats
    first: Floats
    rank_low: Floats
    rank_high: Floats
    agreement: float


def rank(
    values: Floats, patients: Sequence[str], higher_is_better: bool = True, *, resamples: int = 2000, seed: int = 0
) -> Ranking:
    """Of the columns of ``values`` [N, R]; NaN in all runs is left out, NaN in some raises ValueError."""
    there = scored(values)
    values, owners = values[there], np.asarray(patients)[there].tolist()
    runs = values.shape[1]
    unknown = np.full(runs, np.nan)
    if not len(values):
        return Ranking(np.arange(runs), unknown, unknown, unknown, unknown, float("nan"))
    scale = float(np.abs(values).max())
    means = values.mean(axis=0)
    towards = 1 if higher_is_better else -1
    worth = towards * snapped(means, scale)
    order = np.argsort(-worth, kind="stable")
    drawn = towards * snapped(resampled_means(values, owners, resamples, seed), scale)
    if np.isnan(drawn).any():
        return Ranking(order, means, unknown, unknown, unknown, float("nan"))
    best = drawn == drawn.max(axis=1, keepdims=True)
    ranks = stats.rankdata(-drawn, axis=1)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf")
    first = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    return Ranking(order, means, first, low, high, _agreement(drawn, worth))


def _agreement(drawn: Floats, observed: Floats) -> float:
    """Mean tau-b of each row of ``drawn`` [B, R] with ``observed`` [R], over the rows that are not one tie."""
    together, unlike = np.zeros(len(drawn)), np.zeros(len(drawn))
    for run in range(len(observed)):
        signs, own = np.sign(drawn - drawn[:, [run]]), np.sign(observed - observed[run])
        together += signs @ own
        unlike += np.abs(signs).sum(axis=1)
    below = np.sqrt(unlike * sum(np.abs(np.sign(observed - one)).sum() for one in observed))
    return float(np.mean(together[below > 0] / below[below > 0])) if (below > 0).any() else float("nan")
