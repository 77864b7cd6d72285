"""Chooses the threshold of each region by the validation cases; never by the test cases."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lungseg.data.loaded_case import Predicted
from lungseg.metrics import thresholds


def choose(predicted: Predicted, regions: Sequence[str]) -> dict[str, float]:
    """Region -> the threshold of 0.01 to 0.99 with the best mean Dice over the cases that have it."""
    histograms: list[list[NDArray[np.int64]]] = [[] for _ in regions]
    for loaded, prediction in predicted:
        for k in range(len(regions)):
            histograms[k].append(thresholds.histogram(prediction.probabilities[k], loaded.masks[k]))
    return {region: thresholds.choose(np.stack(found)) for region, found in zip(regions, histograms, strict=True)}
