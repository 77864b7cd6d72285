"""The threshold that the validation cases choose for each region; never the test cases."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.data.case import Case
from lungseg.data.read import Gray, Mask
from lungseg.errors import UserError
from lungseg.files import write_atomically
from lungseg.metrics import threshold

log = logging.getLogger("lungseg")

Predicted = Iterator[tuple[Case, Gray, Mask, NDArray[np.float32]]]
Thresholds = dict[str, float]


def choose(predicted: Predicted, regions: Sequence[str]) -> Thresholds:
    """Region -> the threshold of 0.01 to 0.99 with the best mean Dice over the cases that have it."""
    histograms: list[list[NDArray[np.int64]]] = [[] for _ in regions]
    for _, _, reference, probabilities in predicted:
        for k in range(len(regions)):
            histograms[k].append(threshold.histogram(probabilities[k], reference[k]))
    return {region: threshold.choose(np.stack(found)) for region, found in zip(regions, histograms, strict=True)}


def kept(path: Path, how: str, weights: str, make: Callable[[], Thresholds | None]) -> Thresholds | None:
    """Those that these ``weights`` have, predicting by ``how``, from the file, else ``make`` and keep them.

    A run that went on since has other weights. None is not kept, and nothing where the run cannot be written to.
    """
    content = _read(path)
    found = content.get(how)
    if isinstance(found, Mapping) and found.get("weights") == weights and isinstance(found.get("thresholds"), dict):
        return {str(region): float(value) for region, value in found["thresholds"].items()}
    made = make()
    if made is not None:
        try:
            write_atomically(
                path, json.dumps(content | {how: {"weights": weights, "thresholds": made}}, indent=1) + "\n"
            )
        except UserError as error:
            log.info("the thresholds of validation are not kept: %s", error)
    return made


def _read(path: Path) -> dict[str, Any]:
    """Empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("no object")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable ({error}); remove it, and it is made again") from None
    return content
