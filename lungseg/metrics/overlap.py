"""Overlap of predicted and reference regions: counts per case, and what follows from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.metrics.stats.bootstrap import mean_interval
from lungseg.metrics.stats.patient_weights import Weight, effective_patients, weighted_mean

Counts = NDArray[np.int64]  # [..., 4]: true positive, false positive, false negative, true negative
Scores = NDArray[np.float64]


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Scores:
    """NaN where the denominator is 0."""
    out = np.full(np.shape(below), np.nan)
    np.divide(above, below, out=out, where=np.asarray(below) != 0, dtype=np.float64)
    return out


def _only_with_reference(scores: Scores, counts: Counts) -> Scores:
    return np.where(counts[..., 0] + counts[..., 2] > 0, scores, np.nan)


def dice(counts: Counts) -> Scores:
    """2TP / (2TP + FP + FN); NaN where the reference is empty: such a case is counted apart, never as 1 or 0."""
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    return _only_with_reference(_ratio(2 * tp, 2 * tp + fp + fn), counts)


def iou(counts: Counts) -> Scores:
    """TP / (TP + FP + FN); NaN where the reference is empty."""
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    return _only_with_reference(_ratio(tp, tp + fp + fn), counts)


def precision(counts: Counts) -> Scores:
    """TP / (TP + FP); NaN where the reference is empty, 0 where there is one and nothing was predicted."""
    tp, fp = counts[..., 0], counts[..., 1]
    return _only_with_reference(_ratio(tp, np.maximum(tp + fp, 1)), counts)


def recall(counts: Counts) -> Scores:
    """TP / (TP + FN); NaN where the reference is empty."""
    return _ratio(counts[..., 0], counts[..., 0] + counts[..., 2])


def specificity(counts: Counts) -> Scores:
    """TN / (TN + FP); NaN where the reference fills the image."""
    return _ratio(counts[..., 3], counts[..., 3] + counts[..., 1])


def summarise(
    counts: Counts, regions: Sequence[str], patients: Sequence[str] | None = None, weight: Weight = "images"
) -> dict[str, Any]:
    """[N, K, 4] -> region -> what a table needs; intervals only where ``patients`` [N] are given.

    ``effective_patients`` says for each interval how many there are behind it.
    """
    return {region: _summary(counts[:, k], patients, weight) for k, region in enumerate(regions)}


def _summary(counts: Counts, patients: Sequence[str] | None, weight: Weight) -> dict[str, Any]:
    empty = counts[:, 0] + counts[:, 2] == 0
    invented = np.where(empty, counts[:, 1], np.nan)
    summary: dict[str, Any] = {
        "n_cases": len(counts),
        "n_reference": int((~empty).sum()),
        "n_empty": int(empty.sum()),
    }
    owners = patients if patients is not None else [""] * len(counts)
    effective = {}
    for metric in (dice, iou, precision, recall, specificity):
        values = metric(counts)
        summary[metric.__name__] = weighted_mean(values, owners, weight)
        if patients is not None and metric in (dice, iou):
            low, high = mean_interval(values, patients, weight=weight)
            summary |= {f"{metric.__name__}_low": low, f"{metric.__name__}_high": high}
            effective[metric.__name__] = effective_patients(values, patients, weight)
    return summary | {
        **({"effective_patients": effective} if patients is not None else {}),
        "pooled_dice": float(dice(counts.sum(0))),
        "false_alarm_rate": weighted_mean(np.where(empty, invented > 0, np.nan), owners, weight),
        "false_alarm_area": weighted_mean(invented / np.maximum(counts.sum(1), 1), owners, weight),
    }
