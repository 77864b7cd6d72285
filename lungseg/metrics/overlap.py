"""Overlap of predicted and reference regions: counts per case, and what follows from them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from lungseg.metrics.stats.bootstrap import mean_interval
from lungseg.metrics.stats.patient_weights import Weight, effective_patients, weighted_mean

Counts = NDArray[np.int64]  # [..., 4]: true positive, false positive, false negative, true negative
Scores = NDArray[np.float64]


def confusion(predicted: Tensor, reference: Tensor) -> Tensor:
    """Bool [B, K, H, W] twice -> int64 [B, K, 4]."""
    both = (predicted & reference).sum((2, 3))
    found, there = predicted.sum((2, 3)), reference.sum((2, 3))
    pixels = predicted.shape[2] * predicted.shape[3]
    return torch.stack([both, found - both, there - both, pixels - found - there + both], dim=-1)


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


def _mean(values: Scores) -> float:
    """Over what is defined; NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


class CaseOverlap(Metric):
    """Counts and loss of every case seen, reduced in the order of the cases, each once.

    So the result is equal to the bit whatever the batches, their order and the number of ranks.
    """

    full_state_update = False
    indices: list[Tensor] | Tensor
    counts: list[Tensor] | Tensor
    losses: list[Tensor] | Tensor

    def __init__(self, regions: Sequence[str]) -> None:
        super().__init__()
        self.regions = list(regions)
        for name in ("indices", "counts", "losses"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def names(self) -> list[str]:
        """Of all that ``compute`` will give."""
        blank = torch.zeros(1, len(self.regions), 1, 1, dtype=torch.bool)
        other = CaseOverlap(self.regions)
        other.update(blank, blank, torch.zeros(1, dtype=torch.int64), torch.zeros(1))
        return list(other.compute())

    def update(self, predicted: Tensor, reference: Tensor, index: Tensor, loss: Tensor) -> None:
        """Bool [B, K, H, W] twice, which case each is, int64 [B], and its loss [B]."""
        for state, value in (
            (self.indices, index),
            (self.counts, confusion(predicted, reference)),
            (self.losses, loss.double()),
        ):
            assert isinstance(state, list)
            state.append(value)

    def compute(self) -> dict[str, Tensor]:
        """``<region>/dice``, ... and ``dice``, the mean over regions (NaN where no case has the region); ``loss``."""
        indices, counts, losses = (
            (state if isinstance(state, Tensor) else torch.cat(state)).cpu().numpy()
            for state in (self.indices, self.counts, self.losses)
        )
        _, first = np.unique(indices, return_index=True)  # sorted
        summary = summarise(counts[first], self.regions)
        names = ("dice", "iou", "precision", "recall", "pooled_dice", "false_alarm_rate")
        values = {f"{region}/{name}": summary[region][name] for region in self.regions for name in names}
        overall = _mean(np.array([summary[region]["dice"] for region in self.regions]))
        values |= {"dice": overall, "loss": float(losses[first].mean())}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
