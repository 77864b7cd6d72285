"""What the same predictions come to by the definitions that circulate in this field, beside the right numbers."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.metrics import flawed_dice

NAMES = {
    "two_channel_dice": "two-channel Dice",
    "smoothed_dice": "smoothed Dice",
    "soft_dice": "soft Dice",
    "batch_dice": "batch-pooled Dice",
}


class FlawedScores:
    """Collects case by case; batches are of ``batch_size`` cases in their order, as a validation loop has them."""

    def __init__(self, regions: Sequence[str], batch_size: int) -> None:
        self.regions, self.batch_size = list(regions), batch_size
        self.values: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.batch: list[tuple[Mask, Mask]] = []

    def add(self, prediction: Mask, reference: Mask, probabilities: NDArray[np.float32]) -> None:
        """[K, H, W] three times."""
        for k, region in enumerate(self.regions):
            self.values[region, "two_channel_dice"].append(flawed_dice.two_channel_dice(prediction[k], reference[k]))
            self.values[region, "smoothed_dice"].append(flawed_dice.smoothed_dice(prediction[k], reference[k]))
            self.values[region, "soft_dice"].append(flawed_dice.soft_dice(probabilities[k], reference[k]))
        self.batch.append((prediction, reference))
        if len(self.batch) == self.batch_size:
            self._close_batch()

    def summary(self) -> dict[str, dict[str, Any]]:
        """Region -> definition -> the mean and why it flatters."""
        if self.batch:
            self._close_batch()
        return {
            region: {name: {"value": _mean(self.values[region, name]), "why": flawed_dice.WHY[name]} for name in NAMES}
            for region in self.regions
        }

    def _close_batch(self) -> None:
        """Images of several sizes are laid out flat, as a pooled count does not see shapes."""
        for k, region in enumerate(self.regions):
            predictions, references = (
                np.concatenate([pair[which][k].ravel() for pair in self.batch])[None] for which in (0, 1)
            )
            self.values[region, "batch_dice"].append(flawed_dice.batch_dice(predictions, references))
        self.batch = []


def _mean(values: Sequence[float]) -> float:
    """Over what is defined; NaN where nothing is."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else float("nan")
