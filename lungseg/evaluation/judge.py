"""A net on a list of cases -> cases.csv, summary.json, overlays, and the summary itself."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungseg.data.case import Case
from lungseg.data.read import Gray, Mask
from lungseg.errors import UserError
from lungseg.evaluation.cases import Judged, count, summarise, worst_median_best
from lungseg.files import replaced, write_atomically
from lungseg.metrics import overlap
from lungseg.tables import write_table
from lungseg.visualize import Overlay, draw_sheet

Predicted = Iterator[tuple[Case, Gray, Mask, NDArray[np.float32]]]
Predict = Callable[[Sequence[Case]], Predicted]


@dataclass(frozen=True)
class Judgement:
    """What one evaluation found, and where it was written."""

    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    overlays: list[Overlay]
    directory: Path
    picture: Path


def judge(
    predict: Predict,
    cases: Sequence[Case],
    regions: Sequence[str],
    mean_mask: Callable[[Case, tuple[int, ...]], Mask],
    directory: Path,
    *,
    threshold: float,
    about: dict[str, Any],
) -> Judgement:
    """Score each case once at its own size; ``mean_mask`` lays the baseline over a case's image of that shape.

    ``about`` (data, split, checkpoint, ...) goes into the summary.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{directory}: cannot be made ({error.strerror}); choose another out=FOLDER") from None
    results: dict[str, list[Judged]] = {"model": [], "mean_mask": [], "all_background": []}
    for case, image, reference, probabilities in predict(cases):
        results["model"].append(Judged(case, count(probabilities > threshold, reference)))
        results["mean_mask"].append(Judged(case, count(mean_mask(case, image.shape), reference)))
        results["all_background"].append(Judged(case, count(np.zeros_like(reference), reference)))
    rows = [one.row(regions) for one in results["model"]]
    summary = {
        **about,
        "threshold": threshold,
        "regions": list(regions),
        "cases": len(cases),
        "patients": len({case.patient for case in cases}),
        "results": {name: summarise(judged, regions) for name, judged in results.items()},
        "by_class": _by_class(results["model"], regions),
    }
    write_table(rows, directory / "cases.csv")
    write_atomically(directory / "summary.json", json.dumps(_plain(summary), indent=1) + "\n")
    overlays, picture = _draw(predict, results["model"], regions, threshold, directory)
    return Judgement(summary, rows, overlays, directory, picture)


def _by_class(judged: Sequence[Judged], regions: Sequence[str]) -> dict[str, dict[str, Any]]:
    labels = sorted({one.case.label for one in judged})
    return {label: summarise([one for one in judged if one.case.label == label], regions) for label in labels}


def _draw(
    predict: Predict, judged: Sequence[Judged], regions: Sequence[str], threshold: float, directory: Path
) -> tuple[list[Overlay], Path]:
    """A sheet each of the worst, median and best cases; the first returned picture is the worst ones'."""
    chosen = worst_median_best(judged)
    wanted = {one.case.id: one.case for group in chosen.values() for one in group}
    shown = {overlay.case_id: overlay for overlay in make_overlays(predict(list(wanted.values())), regions, threshold)}
    pictures = []
    for name, group in chosen.items():
        path = directory / f"{name}.png"
        sheet = draw_sheet([shown[one.case.id] for one in group], f"{name} cases")
        with replaced(path) as partial:
            Image.fromarray(sheet).save(partial)
        pictures.append(path)
    return list(shown.values()), pictures[1]


def make_overlays(predicted: Predicted, regions: Sequence[str], threshold: float) -> Iterator[Overlay]:
    """What was predicted, as it is shown."""
    for case, image, reference, probabilities in predicted:
        prediction = probabilities > threshold
        values = overlap.dice(count(prediction, reference))
        dice = {region: float(value) for region, value in zip(regions, values, strict=True)}
        yield Overlay(case.id, case.label, image, reference, prediction, dice)


def _plain(value: Any) -> Any:
    """NaN becomes null: JSON has no other word for it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
