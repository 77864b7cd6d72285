"""A net on a list of cases -> tables of cases, summary.json, pictures, and the summary itself."""

import contextlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lungseg.core.arrays import Mask
from lungseg.core.atomic_io import replaced
from lungseg.core.errors import UserError
from lungseg.core.prediction import Prediction, certain
from lungseg.core.text_tables import write_table
from lungseg.data.case import Case
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.visualize.overlay import Overlay, draw_sheet
from lungseg.evaluation.attribute_groups import by_attribute
from lungseg.evaluation.case_scorer import Scorer
from lungseg.evaluation.case_table import Judged, count, summarise, worst_median_best
from lungseg.evaluation.flawed_definitions import FlawedScores
from lungseg.evaluation.summary import write_summary
from lungseg.evaluation.thresholds import Thresholds
from lungseg.evaluation.thumbnails import PictureWriter
from lungseg.inference.whole_image import Predicted
from lungseg.metrics import calibration, overlap
from lungseg.metrics.stats.patient_weights import Weight
from lungseg.tasks.segmentation_columns import segmentation_columns

Predict = Callable[[Sequence[Case]], Predicted]


@dataclass(frozen=True)
class Judgement:
    """What one evaluation found, and where it was written."""

    summary: dict[str, Any]
    judged: list[Judged]
    rows: list[dict[str, Any]]
    overlays: list[Overlay]
    directory: Path
    picture: Path


@dataclass(frozen=True)
class How:
    """``threshold``: the one that was asked for; ``tuned``: those to judge at as well, by region.

    ``weight``: whether a mean is over images, or over the patients' own means.
    """

    scorer: Scorer
    mean_mask: Callable[[Case, tuple[int, ...]], Mask]
    threshold: float = 0.5
    tuned: Thresholds | None = None
    flattery: FlawedScores | None = None
    weight: Weight = "images"


@dataclass
class Found:
    """What is collected while the cases go by: results by name, and each region's probabilities."""

    judged: dict[str, list[Judged]]
    reliability: list[calibration.Reliability]


def judge(predict: Predict, cases: Sequence[Case], how: How, directory: Path, about: dict[str, Any]) -> Judgement:
    """Score each case once at its own size; ``about`` (data, split, checkpoint, ...) goes into the summary."""
    regions = list(how.scorer.regions.names)
    with _folder(directory), replaced(directory / "pictures.zip") as partial, zipfile.ZipFile(partial, "w") as archive:
        found = _look(predict(cases), how, PictureWriter(archive, regions))
    summary = {**about, **_summary(cases, how, found)}
    rows = [one.row(regions) for one in found.judged["model"]]
    _write(directory, rows, [one.row(regions) for one in found.judged["tuned"]])
    write_summary(directory, summary)
    overlays, picture = _draw(predict, found.judged["model"], regions, how.threshold, directory)
    return Judgement(summary, found.judged["model"], rows, overlays, directory, picture)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """It exists while the block runs, and does not stay empty where that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be made ({error.strerror}); choose another out=FOLDER") from None
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.rmdir()  # of no effect where an earlier judgement lies there
        raise


def _write(directory: Path, rows: Sequence[Mapping[str, Any]], tuned: Sequence[Mapping[str, Any]]) -> None:
    """The tables of cases; answers stay beside them only where they are of the same predictions."""
    table, other = directory / "cases.csv", directory / "cases-tuned.csv"
    before = table.read_bytes() if table.is_file() else b""
    write_table(rows, table)
    if table.read_bytes() != before:
        for path in [directory / "answers.json", *directory.glob("uncertainty-*.png")]:
            path.unlink(missing_ok=True)
    if tuned:
        write_table(tuned, other)
    else:
        other.unlink(missing_ok=True)


def _look(predicted: Predicted, how: How, pictures: PictureWriter) -> Found:
    """Once through the cases."""
    scorer, regions = how.scorer, how.scorer.regions.names
    nothing = calibration.bins(np.zeros(0), np.zeros(0, np.bool_))
    found = Found({"model": [], "tuned": [], "mean_mask": [], "all_background": []}, [nothing] * len(regions))
    tuned = [how.tuned[region] for region in regions] if how.tuned is not None else None
    for loaded, prediction in predicted:
        found.judged["model"].append(scorer.whole(prediction, loaded, how.threshold))
        if tuned is not None:
            found.judged["tuned"].append(scorer.whole(prediction, loaded, tuned))
        mean_mask = how.mean_mask(loaded.case, loaded.image.shape)
        for name, mask in (("mean_mask", mean_mask), ("all_background", np.zeros_like(loaded.masks))):
            found.judged[name].append(scorer.overlap(certain(mask, prediction), loaded))
        for k in range(len(regions)):
            found.reliability[k] += calibration.bins(prediction.probabilities[k], loaded.masks[k])
        mask = prediction.mask(how.threshold)
        pictures.add(loaded.image, loaded.masks, mask)
        if how.flattery is not None:
            how.flattery.add(mask, loaded.masks, prediction.probabilities)
    return found


def _summary(cases: Sequence[Case], how: How, found: Found) -> dict[str, Any]:
    regions, model = list(how.scorer.regions.names), found.judged["model"]
    return {
        "threshold": how.threshold,
        "weight": how.weight,
        "thresholds_from_validation": how.tuned,
        "unit": how.scorer.unit,
        "tolerances": list(how.scorer.tolerances),
        "regions": regions,
        "columns": [asdict(one) for one in segmentation_columns(how.scorer.unit, how.scorer.tolerances)],
        "cases": len(cases),
        "patients": len({case.patient for case in cases}),
        "results": {name: summarise(judged, regions, how.weight) for name, judged in found.judged.items() if judged},
        "calibration": {region: _calibration(one) for region, one in zip(regions, found.reliability, strict=True)},
        "by_class": _by(model, regions, lambda case: case.label, how.weight),
        "by_domain": _by(model, regions, lambda case: case.domain, how.weight),
        **by_attribute(model, regions, how.weight),
        "legacy": how.flattery.summary() if how.flattery is not None else None,
    }


def _calibration(found: calibration.Reliability) -> dict[str, Any]:
    """``bins`` are [mean probability, share that is the region] each, None where no pixel is in it."""
    points = np.stack([calibration.confidence(found), calibration.frequency(found)], axis=1)
    return {
        "expected_error": calibration.expected_calibration_error(found),
        "maximum_error": calibration.maximum_calibration_error(found),
        "brier": calibration.brier(found),
        "bins": [None if np.isnan(point).any() else point.round(6).tolist() for point in points],
    }


def _by(
    judged: Sequence[Judged], regions: Sequence[str], key: Callable[[Case], str | None], weight: Weight
) -> dict[str, dict[str, Any]]:
    names = sorted({name for one in judged if (name := key(one.case)) is not None})
    return {name: summarise([one for one in judged if key(one.case) == name], regions, weight) for name in names}


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
        with replaced(path, lasting=False) as partial:
            Image.fromarray(sheet).save(partial)
        pictures.append(path)
    return list(shown.values()), pictures[1]


def make_overlays(
    predicted: Iterable[tuple[LoadedCase, Prediction]], regions: Sequence[str], threshold: float
) -> Iterator[Overlay]:
    """Yields what was predicted as it is shown."""
    for loaded, prediction in predicted:
        mask, case = prediction.mask(threshold), loaded.case
        values = overlap.dice(count(mask, loaded.masks))
        dice = {region: float(value) for region, value in zip(regions, values, strict=True)}
        yield Overlay(case.id, case.label, loaded.image, loaded.masks, mask, dice)
