"""``ask=``: the questions checked before the judging, answered after it."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungseg.core.atomic_io import write_json
from lungseg.core.config.compose import suggestion
from lungseg.core.config.evaluate_config import EvaluateConfig
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import require_as_written
from lungseg.core.locks import locked
from lungseg.core.plural import plural
from lungseg.core.run_directory import open_run
from lungseg.core.security.safe_json import read_object
from lungseg.data.case import Case
from lungseg.data.contamination import seen_images
from lungseg.evaluation.analyses.ensemble import ensemble_gain
from lungseg.evaluation.analyses.gate import gate
from lungseg.evaluation.analyses.outside_lungs import frame
from lungseg.evaluation.analyses.paired_change import (
    outcome_of,
)
from lungseg.evaluation.analyses.subject import Answer, Subject
from lungseg.evaluation.analyses.tta import flips
from lungseg.evaluation.analyses.uncertainty import uncertainty
from lungseg.evaluation.score_cases import Judgement
from lungseg.inference.load_run import rebuild
from lungseg.inference.predictor import Ensemble, predictor_of
from lungseg.inference.whole_image import Predictor
from lungseg.tasks.regions import Regions, regions_of

log = logging.getLogger("lungseg")

QUESTIONS = ("tta", "frame", "gate", "uncertainty")


@dataclass(frozen=True)
class Asked:
    """The questions that can be answered, and who says where the lungs are, if another run does."""

    names: list[str]
    regions: Regions
    gate: Predictor | None


def prepare(options: EvaluateConfig, cfg: TrainConfig, cases: Sequence[Case]) -> Asked:
    """Whatever cannot be answered is said now."""
    path, regions = options.gate, regions_of(cfg.task.options)
    names = chosen(options.ask, regions, cases, bool(path))
    if path and "gate" not in names:
        why = "add ask=gate" if regions.lesions else "this run predicts no infection: leave it out"
        raise UserError(f"gate={path}: is for the question whether gating infection helps; {why}")
    return Asked(names, regions, _lungs(path, cfg, cases) if path else None)


def _lungs(path: str, cfg: TrainConfig, cases: Sequence[Case]) -> Predictor:
    """Finds lungs, the first region, in cases that need no lung masks."""
    run = open_run(path, "gate")
    own = run.config()
    require_as_written(run.path)
    hosts = regions_of(cfg.task.options).hosts
    if regions_of(own.task.options).names[:1] != tuple(hosts[:1]):
        raise UserError(f"gate={path}: a run of task={own.task.name}; expected one of task={hosts[0]}")
    if run.splits_file.is_file() and (number := len(seen_images(run.splits_file).among(cases))):
        log.info("gate: its net was trained on %d of the %s; its lungs flatter there", number,
                 plural(len(cases), "case"))  # fmt: skip
    trained = rebuild(run, own.running_on(cfg.trainer, cfg.data.loader.batch_size))
    return replace(predictor_of(trained, cases), regions=[])


def ask(asked: Asked, predict: Predictor | Ensemble, cases: Sequence[Case], found: Judgement) -> Path | None:
    """Say each answer; all are in ``answers.json`` beside the table of cases, with earlier ones of the same table."""
    if not asked.regions.names or (not asked.names and not isinstance(predict, Ensemble)):
        return None
    summary, path = found.summary, found.directory / "answers.json"
    plain = outcome_of(np.stack([one.counts for one in found.judged]))
    subject = Subject(
        predict,
        cases,
        asked.regions,
        summary["threshold"],
        summary["tta"],
        plain,
        asked.gate,
        found.directory,
        summary["weight"],
    )
    new: dict[str, Any] = {}
    for answer in answers(asked.names, subject):
        log.info("%s\n%s\n", answer.question, "\n".join(f"  {line}" for line in answer.lines))
        new[answer.question] = {"text": answer.lines, "numbers": answer.numbers}
    with locked(path):
        write_json(path, _earlier(path) | new)
    return path


def _earlier(path: Path) -> dict[str, Any]:
    """Returns the answers of earlier calls; what cannot be read is told and written anew."""
    if not os.path.lexists(path):
        return {}
    try:
        return read_object(path, "the answers in it are left out and written anew")
    except UserError as error:
        log.info("%s", error)
        return {}


def chosen(asked: Sequence[str] | None, regions: Regions, cases: Sequence[Case], gate: bool) -> list[str]:
    """The questions of ``ask=``; one that cannot be answered here is refused where it was named, else left out."""
    if asked is None:
        return []
    names = list(asked)
    unknown = [str(name) for name in names if name not in ("all", *QUESTIONS)]
    if unknown or not names:
        which, known = unknown[0] if unknown else "[]", ["all", *QUESTIONS]
        raise UserError(f"ask={which}: no such question; there are {', '.join(known)}{suggestion(which, known)}")
    cannot = _unanswerable(regions, cases, gate)
    for name in names:
        if name in cannot:
            raise UserError(f"ask={name}: {cannot[name]}")
    if "all" not in names:
        return names
    for name, why in cannot.items():
        log.info("ask=all leaves out %s: %s", name, why)
    return [name for name in QUESTIONS if name not in cannot]


def _unanswerable(regions: Regions, cases: Sequence[Case], gate: bool) -> dict[str, str]:
    """Question -> what it lacks."""
    if not regions.names:
        return dict.fromkeys(QUESTIONS, "is about regions, which this run does not predict")
    cannot = {}
    bare = [case for case in cases if regions.organ not in case.masks]
    if bare:
        some = f"{len(bare)} of the {plural(len(cases), 'case')} have none (first {bare[0].id})"
        cannot["frame"] = f"needs lung masks, and {some}; judge data that has them: data=..."
    if not regions.lesions:
        cannot["gate"] = "is about infection, which this run does not predict"
    elif not gate and regions.index(regions.hosts[0]) is None:
        cannot["gate"] = "needs to know the lungs; add gate=<a run of task=lung>"
    return cannot


def answers(names: Sequence[str], subject: Subject) -> Iterator[Answer]:
    """In the order asked; an ensemble is compared with its members first."""
    if isinstance(subject.predict, Ensemble):
        yield ensemble_gain(subject, subject.predict)
    ask = {"tta": flips, "frame": frame, "gate": gate, "uncertainty": uncertainty}
    for name in names:
        yield ask[name](subject)
