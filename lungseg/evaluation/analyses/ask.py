"""``ask=``: the questions checked before the judging, answered after it."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from lungseg.core.atomic_io import write_json
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import require_as_written
from lungseg.core.locks import locked
from lungseg.core.plural import plural
from lungseg.core.run_directory import open_run
from lungseg.core.security.safe_json import read_object
from lungseg.data.case import Case, checksum
from lungseg.data.splits import seen_images
from lungseg.evaluation.analyses.paired_change import outcome_of
from lungseg.evaluation.analyses.questions import Subject, answers, chosen
from lungseg.evaluation.score_cases import Judgement
from lungseg.inference.load_run import rebuild
from lungseg.inference.predictor import Ensemble, Predictor, predictor_of

log = logging.getLogger("lungseg")


@dataclass(frozen=True)
class Asked:
    """The questions that can be answered, and who says where the lungs are, if another run does."""

    names: list[str]
    gate: Predictor | None


def prepare(given: DictConfig, cfg: DictConfig, cases: Sequence[Case]) -> Asked:
    """Whatever cannot be answered is said now."""
    path = given.get("gate")
    names = chosen(given.get("ask"), list(cfg.task.regions), cases, bool(path))
    if path and "gate" not in names:
        why = "add ask=gate" if "infection" in cfg.task.regions else "this run predicts no infection: leave it out"
        raise UserError(f"gate={path}: is for the question whether gating infection helps; {why}")
    return Asked(names, _lungs(path, cfg, cases) if path else None)


def _lungs(path: str, cfg: DictConfig, cases: Sequence[Case]) -> Predictor:
    """Finds lungs, the first region, in cases that need no lung masks."""
    run = open_run(path, "gate")
    own = run.config()
    require_as_written(run.path)
    if own.task.regions[0] != "lung":
        raise UserError(f"gate={path}: a run of task={own.task.name}; expected one of task=lung")
    if run.splits_file.is_file():
        seen = seen_images(run.splits_file)
        number = sum(checksum(case.image) in seen for case in cases)
        if number:
            log.info("gate: its net was trained on %d of the %s; its lungs flatter there", number,
                     plural(len(cases), "case"))  # fmt: skip
    module, _ = rebuild(run, own)
    own.trainer, own.data.batch_size = cfg.trainer, cfg.data.batch_size
    return replace(predictor_of(run, own, module, cases), regions=[])


def ask(asked: Asked, predict: Predictor | Ensemble, cases: Sequence[Case], found: Judgement) -> Path | None:
    """Say each answer; all are in ``answers.json`` beside the table of cases, with earlier ones of the same table."""
    if not asked.names and not isinstance(predict, Ensemble):
        return None
    summary, path = found.summary, found.directory / "answers.json"
    plain = outcome_of(np.stack([one.counts for one in found.judged]))
    subject = Subject(
        predict,
        cases,
        list(summary["regions"]),
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
