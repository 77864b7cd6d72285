"""Counts the overlap of every case while a net is validated, on all ranks."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from lungseg.core.device import widest
from lungseg.metrics.overlap import Scores, summarise


def confusion(predicted: Tensor, reference: Tensor) -> Tensor:
    """Counts pixels or voxels: bool [B, K, ...] twice -> int64 [B, K, 4]."""
    predicted, reference = predicted.flatten(2), reference.flatten(2)
    both = (predicted & reference).sum(2)
    found, there = predicted.sum(2), reference.sum(2)
    pixels = predicted.shape[2]
    return torch.stack([both, found - both, there - both, pixels - found - there + both], dim=-1)


def _mean(values: Scores) -> float:
    """Averages over what is defined; NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


class CaseOverlap(Metric):
    """Holds counts and loss of every case seen, reduced in the order of the cases, each part of each once.

    So the result is equal to the bit whatever the batches, their order and the number of ranks.
    """

    full_state_update = False
    indices: list[Tensor] | Tensor
    parts: list[Tensor] | Tensor
    counts: list[Tensor] | Tensor
    losses: list[Tensor] | Tensor

    def __init__(self, regions: Sequence[str]) -> None:
        super().__init__()
        self.regions = list(regions)
        for name in ("indices", "parts", "counts", "losses"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def names(self) -> list[str]:
        """Lists the names of all that ``compute`` will give."""
        blank = torch.zeros(1, len(self.regions), 1, 1, dtype=torch.bool)
        other = CaseOverlap(self.regions)
        other.update(blank, blank, torch.zeros(1, dtype=torch.int64), torch.zeros(1))
        return list(other.compute())

    def update(
        self, predicted: Tensor, reference: Tensor, index: Tensor, loss: Tensor, part: Tensor | None = None
    ) -> None:
        """Takes bool [B, K, ...] twice, which case each is, int64 [B], its loss [B], and which part of its case."""
        for state, value in (
            (self.indices, index),
            (self.parts, torch.zeros_like(index) if part is None else part),
            (self.counts, confusion(predicted, reference)),
            (self.losses, loss.to(widest(loss.device))),
        ):
            assert isinstance(state, list)
            state.append(value)

    def compute(self) -> dict[str, Tensor]:
        """Returns ``<region>/dice``, ... and ``dice``, the mean over regions (NaN where no case has one); ``loss``."""
        indices, parts, counts, losses = (
            (state if isinstance(state, Tensor) else torch.cat(state)).cpu().numpy()
            for state in (self.indices, self.parts, self.counts, self.losses)
        )
        keys, first = np.unique(np.stack([indices, parts], axis=1), axis=0, return_index=True)  # sorted
        _, starts, number = np.unique(keys[:, 0], return_index=True, return_counts=True)
        summary = summarise(np.add.reduceat(counts[first], starts), self.regions)
        losses = np.add.reduceat(losses[first], starts) / number
        names = ("dice", "iou", "precision", "recall", "pooled_dice", "false_alarm_rate")
        values = {f"{region}/{name}": summary[region][name] for region in self.regions for name in names}
        overall = _mean(np.array([summary[region]["dice"] for region in self.regions]))
        values |= {"dice": overall, "loss": float(losses.mean())}
        return {name: torch.tensor(value, dtype=widest(self.device)) for name, value in values.items()}
