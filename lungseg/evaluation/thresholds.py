"""The threshold that the validation cases choose for each region; never the test cases."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungseg.data.case import Case
from lungseg.data.read import Gray, Mask
from lungseg.errors import UserError
from lungseg.files import write_atomically
from lungseg.metrics import threshold

Predicted = Iterator[tuple[Case, Gray, Mask, NDArray[np.float32]]]
Thresholds = dict[str, float]


def choose(predicted: Predicted, regions: Sequence[str]) -> Thresholds:
    """Region -> the threshold of 0.01 to 0.99 with the best mean Dice over the cases that have it."""
    histograms: list[list[NDArray[np.int64]]] = [[] for _ in regions]
    for _, _, reference, probabilities in predicted:
        for k in range(len(regions)):
            histograms[k].append(threshold.histogram(probabilities[k], reference[k]))
    return {region: threshold.choose(np.stack(found)) for region, found in zip(regions, histograms, strict=True)}


def kept(path: Path, how: str, make: Callable[[], Thresholds | None]) -> Thresholds | None:
    """Those of the way of predicting ``how`` from the file, else ``make`` and keep them; None is not kept."""
    content: dict[str, Thresholds] = {}
    if path.is_file():
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise UserError(f"{path}: not readable ({error}); remove it, and it is made again") from None
    if how not in content:
        made = make()
        if made is None:
            return None
        content[how] = made
        write_atomically(path, json.dumps(content, indent=1) + "\n")
    return content[how]
