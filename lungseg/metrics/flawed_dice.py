"""Definitions of Dice that circulate in this field and flatter: to show what they make of the same predictions.

Nothing is judged by them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask

SMOOTH = 1.0  # pixels

WHY = {
    "two_channel_dice": "counts the background as a region too: this is pixel accuracy, high where regions are small",
    "smoothed_dice": "adds a pixel to both sides of the ratio: an empty mask predicted empty scores 1, not nothing",
    "soft_dice": "is of probabilities, not of a mask anyone could use, and smoothed: silence on no region scores 1",
    "batch_dice": "pools a batch's pixels before the ratio: large regions outvote the small ones that were missed",
}


def two_channel_dice(predicted: Mask, reference: Mask) -> float:
    """Background and foreground as two channels, pooled: 2 (TP + TN) / (2 pixels), which is pixel accuracy."""
    return float((predicted == reference).mean())


def smoothed_dice(predicted: Mask, reference: Mask, smooth: float = SMOOTH) -> float:
    """(2 TP + smooth) / (predicted + reference + smooth); 1 where both are empty."""
    return _ratio((predicted & reference).sum(), predicted.sum() + reference.sum(), smooth)


def soft_dice(probabilities: NDArray[Any], reference: Mask, smooth: float = SMOOTH) -> float:
    """(2 sum(p r) + smooth) / (sum(p) + sum(r) + smooth) over pixels, with p not thresholded: 1 less the Dice loss.

    A variant squares p and r below the line; this is the one most code has.
    """
    likely = probabilities.astype(np.float64)
    return _ratio(likely[reference].sum(), likely.sum() + reference.sum(), smooth)


def batch_dice(predicted: Mask, reference: Mask) -> float:
    """2 TP / (2 TP + FP + FN) of all pixels of [N, ...] together; NaN where both are empty in the whole batch."""
    return _ratio((predicted & reference).sum(), predicted.sum() + reference.sum(), 0.0)


def _ratio(shared: Any, total: Any, smooth: float) -> float:
    below = float(total) + smooth
    return (2 * float(shared) + smooth) / below if below else float("nan")
