"""Dice at every threshold of a grid, from one histogram per case, and the threshold that is best."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask

THRESHOLDS = np.arange(1, 100) / 100  # each the double that its two decimals are read as
BINS = len(THRESHOLDS) + 1

Histogram = NDArray[np.int64]  # [..., 2, BINS]: negatives, positives


def histogram(probabilities: NDArray[np.floating[Any]], reference: Mask) -> Histogram:
    """Of one case [H, W] -> [2, BINS], by how many thresholds a pixel's probability is above.

    So the counts beyond bin t are exactly those of ``probabilities > float(THRESHOLDS[t])``: numpy then compares in the
    precision of the probabilities, where a threshold and a probability can be one number; this is not above.
    """
    likely = probabilities.ravel()
    # rounded as numpy rounds a Python float that it compares with such an array
    edges = np.concatenate([[-np.inf], THRESHOLDS, [np.inf]]).astype(likely.dtype)
    bin_ = np.clip(likely * BINS, 0, BINS - 1).astype(np.intp)  # at most one too many or too few
    bin_ += (likely > edges[bin_ + 1]).astype(np.intp) - (likely <= edges[bin_])
    counts = np.bincount(bin_ + BINS * reference.ravel(), minlength=2 * BINS)
    return counts.astype(np.int64).reshape(2, BINS)


def dice_by_threshold(histograms: Histogram) -> NDArray[np.float64]:
    """[N, 2, BINS] -> [N, len(THRESHOLDS)]; NaN where a case has no reference."""
    above = histograms[..., ::-1].cumsum(-1)[..., -2::-1]  # [N, 2, thresholds]
    found, true = above.sum(-2), above[..., 1, :]
    there = histograms[..., 1, :].sum(-1)[..., None]
    dice = np.full(true.shape, np.nan)
    np.divide(2.0 * true, found + there, out=dice, where=np.broadcast_to(there > 0, true.shape))
    return dice


def choose(histograms: Histogram) -> float:
    """The threshold with the best mean Dice over the cases [N, 2, BINS] with a reference; 0.5 where there is none.

    Of thresholds that are equally good it is the one nearest 0.5, and of two the lower one.
    """
    dice = dice_by_threshold(histograms)
    dice = dice[~np.isnan(dice).any(1)]
    if not len(dice):
        return 0.5
    mean = dice.mean(0)
    best = np.flatnonzero(mean >= mean.max() - 1e-12)  # sums of equal parts differ in the last digit
    middle = BINS // 2 - 1
    return float(THRESHOLDS[best[np.argmin(np.abs(best - middle))]])
