"""A net on a list of cases -> tables of cases, summary.json, pictures, and the summary itself."""

import contextlib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from lungseg.core.atomic_io import replaced
from lungseg.core.errors import UserError
from lungseg.core.prediction import Prediction
from lungseg.core.text_tables import write_table
from lungseg.data.case import Case
from lungseg.data.loaded_case import LoadedCase, Predicted
from lungseg.data.visualize.overlay import Overlay, draw_sheet
from lungseg.evaluation.attribute_groups import by_attribute
from lungseg.evaluation.case_table import row, worst_median_best
from lungseg.evaluation.saved_masks import MaskWriter
from lungseg.evaluation.summary import write_summary
from lungseg.evaluation.thumbnails import PictureWriter
from lungseg.metrics.stats.patient_weights import Weight
from lungseg.tasks.base import CaseScore, FlawedDefinitions, Scoring, Task, Thresholds

Predict = Callable[[Sequence[Case]], Predicted]


@dataclass(frozen=True)
class Judgement:
    """What one evaluation found, and where it was written."""

    summary: dict[str, Any]
    judged: list[Any]  # of the task's own kind of score
    rows: list[dict[str, Any]]
    overlays: list[Overlay]
    directory: Path
    picture: Path


@dataclass(frozen=True)
class How:
    """Says how cases are judged; ``tuned``: thresholds to judge at as well, by part.

    ``baselines`` are predicted without a net. ``weight``: whether a mean is over images, or over the patients' own
    means.
    """

    task: Task
    scoring: Scoring
    baselines: Callable[[LoadedCase, Prediction], Mapping[str, Prediction]]
    threshold: float = 0.5
    tuned: Thresholds | None = None
    flattery: FlawedDefinitions | None = None
    weight: Weight = "images"
    save_masks: bool = False


def judge(predict: Predict, cases: Sequence[Case], how: How, directory: Path, about: dict[str, Any]) -> Judgement:
    """Score each case once at its own size; ``about`` (data, split, checkpoint, ...) goes into the summary."""
    task = how.task
    masks = MaskWriter(directory, task.parts, how.threshold) if how.save_masks else None
    with _folder(directory), replaced(directory / "pictures.zip") as partial, zipfile.ZipFile(partial, "w") as archive:
        try:
            predicted = predict(cases) if masks is None else _saving(predict(cases), masks)
            scores = _look(predicted, how, PictureWriter(archive, task.parts))
        except BaseException:
            if masks is not None:
                masks.give_up()
            raise
    if masks is not None:
        masks.finish()
    summary = {**about, **_summary(cases, how, scores)}
    rows = [row(task, score) for score in scores["model"]]
    _write(directory, rows, [row(task, score) for score in scores.get("tuned", [])])
    write_summary(directory, summary)
    overlays, picture = _draw(predict, scores["model"], task, how.threshold, directory)
    return Judgement(summary, scores["model"], rows, overlays, directory, picture)


def _saving(predicted: Predicted, masks: MaskWriter) -> Predicted:
    for loaded, prediction in predicted:
        masks.add(prediction, loaded)
        yield loaded, prediction


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


def _look(predicted: Predicted, how: How, pictures: PictureWriter) -> dict[str, list[Any]]:
    """Scores and draws each case once; returns the scores by whose predictions they are of."""
    task = how.task
    plain = replace(how.scoring, threshold=how.threshold)
    brief = replace(how.scoring, brief=True)
    tuned = replace(how.scoring, threshold=[how.tuned[part] for part in task.parts] if how.tuned else 0.5)
    found: dict[str, list[Any]] = {"model": []} | ({} if how.tuned is None else {"tuned": []})
    for loaded, prediction in predicted:
        found["model"].append(task.score_case(prediction, loaded, plain))
        if how.tuned is not None:
            found["tuned"].append(task.score_case(prediction, loaded, tuned))
        for name, baseline in how.baselines(loaded, prediction).items():
            found.setdefault(name, []).append(task.score_case(baseline, loaded, brief))
        pictures.add(task.draw_case(prediction, loaded, how.threshold))
        if how.flattery is not None:
            how.flattery.add(prediction, loaded)
    return found


def _summary(cases: Sequence[Case], how: How, scores: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    task, model = how.task, scores["model"]
    return {
        "threshold": how.threshold,
        "weight": how.weight,
        "thresholds_from_validation": how.tuned,
        "unit": how.scoring.unit,
        "tolerances": list(how.scoring.tolerances),
        "regions": list(task.parts),
        "columns": [asdict(column) for column in task.columns(how.scoring)],
        "cases": len(cases),
        "patients": len({case.patient for case in cases}),
        "results": {name: task.summary(some, how.weight) for name, some in scores.items() if some},
        "calibration": task.calibration(model),
        "by_class": _by(model, task, lambda case: case.label, how.weight),
        "by_domain": _by(model, task, lambda case: case.domain, how.weight),
        **by_attribute(model, task, how.weight),
        "legacy": how.flattery.summary() if how.flattery is not None else None,
    }


def _by(
    scores: Sequence[CaseScore], task: Task, key: Callable[[Case], str | None], weight: Weight
) -> dict[str, dict[str, Any]]:
    names = sorted({name for one in scores if (name := key(one.case)) is not None})
    return {name: task.summary([one for one in scores if key(one.case) == name], weight) for name in names}


def _draw(
    predict: Predict, scores: Sequence[CaseScore], task: Task, threshold: float, directory: Path
) -> tuple[list[Overlay], Path]:
    """A sheet each of the worst, median and best cases; the first returned picture is the worst ones'."""
    chosen = worst_median_best(task, scores)
    wanted = {one.case.id: one.case for group in chosen.values() for one in group}
    predicted = predict(list(wanted.values()))
    shown = {loaded.case.id: task.draw_case(prediction, loaded, threshold) for loaded, prediction in predicted}
    pictures = []
    for name, group in chosen.items():
        path = directory / f"{name}.png"
        sheet = draw_sheet([shown[one.case.id] for one in group], f"{name} cases")
        with replaced(path, lasting=False) as partial:
            Image.fromarray(sheet).save(partial)
        pictures.append(path)
    return list(shown.values()), pictures[1]
