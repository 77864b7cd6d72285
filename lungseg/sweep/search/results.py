"""What a search has found: ``search.json`` for its figures, and the best configuration as an experiment."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.importance import PedAnovaImportanceEvaluator

from lungseg.core.atomic_io import write_atomically
from lungseg.core.config.compose import CONF
from lungseg.core.search_file import (
    FILE,
    SavedObjective,
    SavedRetraining,
    SavedTrial,
    SearchFile,
    State,
    write_search_file,
)
from lungseg.core.security.printable_text import one_line
from lungseg.sweep.spec.settings import Objective
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.untrusted_values import word_value
from lungseg.sweep.state.trial_queue import TrialQueue
from lungseg.sweep.state.trial_row import TrialRow

STATES: dict[str, State] = {  # of a row -> as the file has it
    "finished": "complete",
    "pruned": "pruned",
    "failed": "failed",
    "running": "running",
    "waiting": "waiting",
    "no weights": "failed",
    "not started": "failed",
}
NOT_KEPT = ("run_dir", "label", "seed")


def write_search(
    study: Study, queue: TrialQueue, rows: Sequence[TrialRow], retrained: SavedRetraining | None, command: str | None
) -> Path:
    """``rows``: of the search, without the steps before it."""
    assert study.space is not None
    content = SearchFile(
        objectives=[SavedObjective(name=one.name, direction=one.direction) for one in study.objectives],
        parameters=study.space.described(),
        trials=[_trial(row, study) for row in rows],
        importances=importances(queue.optuna),
        best=[row.number for row in front(rows, study.objectives)],
        retrained=retrained,
        retrain=command,
    )
    path = study.folder / FILE
    write_search_file(path, content)
    return path


def _trial(row: TrialRow, study: Study) -> SavedTrial:
    seconds = (row.ended - row.began).total_seconds() if row.began and row.ended else None
    return SavedTrial(
        number=row.number,
        name=row.name,
        state=STATES[row.state],
        values=row.values,
        params=row.params,
        seconds=seconds,
        curve=[list(point) for point in row.curve],
        where=str(study.folder / row.name),
    )


def front(rows: Sequence[TrialRow], objectives: Sequence[Objective]) -> list[TrialRow]:
    """The best; with two objectives all that no other beats in both, the best by the first objective in front."""
    sign = [1 if one.direction == "maximize" else -1 for one in objectives]
    scored = [(row, [s * v for s, v in zip(sign, row.values, strict=True)]) for row in rows if row.values]
    scored.sort(key=lambda one: (one[1], -one[0].number), reverse=True)
    if len(objectives) == 1:
        return [row for row, _ in scored[:1]]
    found: list[TrialRow] = []
    second = float("-inf")
    for row, values in scored:
        if values[1] > second:
            found.append(row)
            second = values[1]
    return found


def importances(study: optuna.Study) -> dict[str, float] | None:
    """Of the first objective; None where too few trials are finished to say."""
    several = len(study.directions) > 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(
                study, evaluator=PedAnovaImportanceEvaluator(), target=(lambda one: one.values[0]) if several else None
            )
    except (ValueError, RuntimeError):
        return None
    return {name: round(float(value), 6) for name, value in found.items()} or None


def write_experiment(folder: Path, name: str, words: Mapping[str, str], about: str) -> Path:
    """An ``experiment/*.yaml`` that ``train.py --config-dir`` takes: choices of groups, then keys."""
    choices: list[dict[str, str]] = []
    keys: dict[str, Any] = {}
    for key, value in words.items():
        if key in NOT_KEPT:
            continue
        if (CONF / key).is_dir():
            choices.append({f"override /{key}": value})
            continue
        *outer, last = key.lstrip("+").split(".")
        place = keys
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = word_value(key, value, about)
    content = {**({"defaults": choices} if choices else {}), **keys}
    path = folder / "experiment" / f"{name}.yaml"
    write_atomically(path, f"# @package _global_\n# {one_line(about)}\n" + yaml.safe_dump(content, sort_keys=False))
    return path


def plain_words(words: Mapping[str, str]) -> dict[str, Any]:
    """As a YAML would have them, from what Hydra reads on a command line."""
    return {key: word_value(key, value, "the search") for key, value in words.items() if key not in NOT_KEPT}
