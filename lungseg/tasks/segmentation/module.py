"""Trains a net that tells each region's pixels."""

import torch
from torch import Tensor

from lungseg.data.dataset import Sample
from lungseg.data.volumes.patches import inside
from lungseg.tasks.losses.segmentation import RegionLoss
from lungseg.tasks.module import ModuleParts, TaskModule
from lungseg.tasks.segmentation.running_overlap import CaseOverlap


class SegmentationModule(TaskModule):
    """``net`` maps image [B, C, ...] to logits [B, K, ...]; ``loss`` says how logits become probabilities."""

    loss: RegionLoss
    measure: CaseOverlap

    def __init__(self, parts: ModuleParts, regions: list[str]) -> None:
        super().__init__(parts)
        self.regions = list(regions)
        self.measure = CaseOverlap(self.regions)

    def forward(self, image: Tensor) -> Tensor:
        """Probability of each region, [B, K, ...], float32."""
        return self.loss.probabilities(self.outputs(image).float())

    def loss_of(self, batch: Sample) -> Tensor:
        loss: Tensor = self.loss(self.outputs(batch["image"]), batch["mask"])
        return loss

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        logits, masks = self.outputs(batch["image"]), batch["mask"]
        losses = torch.stack([self.loss(logits[[n]], masks[[n]]) for n in range(len(logits))])
        self.require_finite(losses.mean(), "validation")
        predicted, marked = self.loss.probabilities(logits.float()) > 0.5, masks > 0.5
        if "inside" in batch:
            predicted, marked = (inside(mask, batch["inside"]) for mask in (predicted, marked))
        self.measure.update(predicted, marked, batch["index"], losses, batch["part"])
