"""Which lesions were found, each counted once whatever its size, and how much of the lung they take up."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from lungseg.core.arrays import Mask

IOU = 0.1  # from which on a predicted lesion is the reference's

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lesions:
    """How many there are, how many were predicted, how many of these are the same, one to one."""

    reference: int
    predicted: int
    matched: int
    sizes: Numbers  # [reference], in pixels
    found: Mask  # [reference]


@dataclass(frozen=True, slots=True)
class _Overlaps:
    """Pairs of lesions that share enough."""

    reference: Numbers  # [n]
    predicted: Numbers  # [n]
    iou: NDArray[np.float64]  # [n]


def lesions(predicted: Mask, reference: Mask, iou: float = IOU) -> Lesions:
    """Of [H, W] or [D, H, W], where pixels that touch at a corner are of one lesion.

    A predicted and a reference lesion match from an IoU of ``iou`` on; of all ways to match each at most once, one
    with the most matches, and of these the greatest sum of IoU.
    """
    theirs, ours = _label(reference), _label(predicted)
    sizes, areas = _sizes(theirs), _sizes(ours)
    found = np.zeros(len(sizes), bool)
    if len(sizes) and len(areas):
        found[_match(_overlaps(theirs, ours, sizes, areas, iou))] = True
    return Lesions(len(sizes), len(areas), int(found.sum()), sizes, found)


def detection_f1(lesions: Lesions) -> float:
    """Twice the matches by all lesions, reference and predicted; NaN where the reference has none.

    What is predicted there is a false alarm, counted apart.
    """
    if lesions.reference == 0:
        return float("nan")
    return 2 * lesions.matched / (lesions.reference + lesions.predicted)


def severity(infection: Mask, lung: Mask) -> float:
    """The infected share of the lung; infection outside it does not count; NaN where there is no lung."""
    area = np.count_nonzero(lung)
    return np.count_nonzero(infection & lung) / area if area else float("nan")


def _label(mask: Mask) -> NDArray[np.int32]:
    """0 outside, and 1, 2, ... for what hangs together."""
    if mask.ndim == 2:
        return np.asarray(cv2.connectedComponents(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)[1])
    return np.asarray(ndimage.label(mask, np.ones((3,) * mask.ndim))[0], np.int32)


def _sizes(labels: NDArray[np.int32]) -> Numbers:
    return np.bincount(labels[labels > 0])[1:].astype(np.int64)


def _overlaps(
    theirs: NDArray[np.int32], ours: NDArray[np.int32], sizes: Numbers, areas: Numbers, iou: float
) -> _Overlaps:
    both = (theirs > 0) & (ours > 0)
    pairs, shared = np.unique((theirs[both] - 1).astype(np.int64) * len(areas) + ours[both] - 1, return_counts=True)
    reference, predicted = np.divmod(pairs, len(areas))
    score = shared / (sizes[reference] + areas[predicted] - shared)
    enough = score >= iou
    return _Overlaps(reference[enough], predicted[enough], score[enough])


def _match(pairs: _Overlaps) -> Numbers:
    """The reference lesions that are matched. Only where a lesion has two candidates is there anything to weigh."""
    alone = (np.bincount(pairs.reference)[pairs.reference] == 1) & (np.bincount(pairs.predicted)[pairs.predicted] == 1)
    if alone.all():
        return pairs.reference
    rows, row = np.unique(pairs.reference[~alone], return_inverse=True)
    columns, column = np.unique(pairs.predicted[~alone], return_inverse=True)
    cost = np.concatenate([2 - pairs.iou[~alone], np.full(len(rows), 2.0 + len(rows))])
    nobody = np.arange(len(rows))  # each may stay without a match, which is dearer than any difference of IoU
    edges = np.concatenate([row, nobody]), np.concatenate([column, len(columns) + nobody])
    chosen, partner = min_weight_full_bipartite_matching(csr_array((cost, edges)))
    return np.concatenate([pairs.reference[alone], rows[chosen[partner < len(columns)]]])
