"""Holds what a search over settings tried and found, in which nothing contradicts another."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lungseg.core.plural import plural
from lungseg.core.search_file import FILE, SavedTrial, SearchFile, read_search_file, unreadable
from lungseg.core.security.safe_json import is_kind
from lungseg.core.shell_commands import shell_command

STATES = ("complete", "pruned", "failed", "running", "waiting")
__all__ = ["FILE", "STATES", "Objective", "Parameter", "Retrained", "Search", "Trial", "read_search"]


@dataclass(frozen=True)
class Objective:
    """What is sought: the greatest where ``maximize``, else the least."""

    name: str
    maximize: bool


@dataclass(frozen=True)
class Parameter:
    """``choices``: None where it is a number; ``log``: its numbers are above 0."""

    name: str
    log: bool
    choices: list[Any] | None


@dataclass(frozen=True)
class Trial:
    """``values``: one for each objective; always there where it is complete.

    ``params``: name -> number, or the place of its choice; a conditional parameter that the trial lacks is absent.
    ``curve``: (step, value of the first objective) in the order of the steps.
    """

    number: int
    name: str
    state: str
    values: list[float] | None
    params: Mapping[str, float]
    seconds: float | None
    curve: list[tuple[float, float]]
    where: str


@dataclass(frozen=True)
class Retrained:
    """The first objective of trial ``of`` when found, and one value for each seed; ``test`` may be empty."""

    of: int
    found: float
    values: list[float]
    test: list[float]


@dataclass(frozen=True)
class Search:
    """``best``: numbers of complete trials, none where there is none; several are a Pareto front or equally good."""

    objectives: list[Objective]
    parameters: list[Parameter]
    trials: list[Trial]
    importances: Mapping[str, float] | None
    best: list[int]
    retrained: Retrained | None
    retrain: str | None

    @property
    def complete(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "complete"]

    def trial(self, number: int) -> Trial:
        return next(trial for trial in self.trials if trial.number == number)

    def front(self) -> list[int]:
        """Numbers of the complete trials that no other beats: as good in every objective and better in one."""
        found = self.complete
        signs = [1 if one.maximize else -1 for one in self.objectives]
        gains = np.array([trial.values for trial in found], np.float64).reshape(len(found), len(signs)) * signs
        as_good = (gains[:, None] >= gains[None]).all(axis=2)
        beaten = np.any(as_good & ~as_good.T, axis=0).tolist()
        return [trial.number for trial, behind in zip(found, beaten, strict=True) if not behind]


def read_search(path: Path) -> Search:
    """Reads ``search.json`` and refuses what contradicts itself."""
    content = read_search_file(path)
    try:
        return _search(content, path)
    except ValueError as error:
        raise unreadable(path, error) from None


def _retraining(path: Path) -> str:
    """Returns the command that trains the best again; the one that the file holds may be anybody's."""
    return shell_command("lungseg", "sweep", "retrain", path.parent, plain={"seeds": "3"})


def _search(content: SearchFile, path: Path) -> Search:
    objectives = [Objective(one.name, one.direction == "maximize") for one in content.objectives]
    _require(len(objectives) in (1, 2), f"objectives: {len(objectives)} of them, expected 1 or 2")
    known = {one.name: Parameter(one.name, one.log, one.choices) for one in content.parameters}
    _require(len(known) == len(content.parameters), "parameters: one is named twice")
    trials = [_trial(one, len(objectives), known) for one in content.trials]
    numbers = {trial.number: trial for trial in trials}
    _require(len(numbers) == len(trials), "trials: a number is there twice")
    for number in content.best:
        _require(number in numbers and numbers[number].state == "complete", f"best: {number} is no complete trial")
    importances = content.importances or {}
    _require(not set(importances) - set(known), "importances: one is of no parameter")
    _require(not importances or min(importances.values()) >= 0, "importances: one is below 0")
    retrained = _retrained(content)
    _require(retrained is None or retrained.of in numbers, "retrained: of no trial")
    found = Search(objectives, list(known.values()), sorted(trials, key=lambda one: one.number), content.importances,
                   list(content.best), retrained, _retraining(path) if content.retrain else None)  # fmt: skip
    beaten = set(found.best) - set(found.front())
    _require(not beaten, f"best: trial {min(beaten, default=0)} is beaten by another")
    _require(bool(found.best) or not found.complete, "best: names none of the complete trials")
    return found


def _trial(content: SavedTrial, objectives: int, known: Mapping[str, Parameter]) -> Trial:
    what, values = f"trial {content.number}", content.values
    _require(content.number >= 0, f"{what}: expected numbers from 0 on")
    if values is not None:
        many = f"{plural(len(values), 'value')} for {plural(objectives, 'objective')}"
        _require(len(values) == objectives, f"{what}: {many}")
    _require(values is not None or content.state != "complete", f"{what}: complete, but without values")
    params = {}
    for name, value in content.params.items():
        _require(name in known, f"{what}: {name} is none of the parameters")
        params[name] = _setting(known[name], value, f"{what}: {name}")
    for point in content.curve:
        _require(len(point) == 2 and point[0] is not None, f"{what}: curve: expected pairs of step and value")
    curve = sorted((step, value) for step, value in content.curve if step is not None and value is not None)
    return Trial(content.number, content.name, content.state, values, params, content.seconds, curve,
                 content.where or "")  # fmt: skip


def _setting(parameter: Parameter, value: Any, what: str) -> float:
    if parameter.choices is None:
        _require(is_kind(value, float), f"{what}: {str(value)[:40]!r} is no finite number")
        number: float = value
        _require(number > 0 or not parameter.log, f"{what}: {number:g} has no place on a log axis")
        return number
    alike = (isinstance(one, bool) == isinstance(value, bool) and one == value for one in parameter.choices)
    place = next((place for place, same in enumerate(alike) if same), None)
    if place is None:
        raise ValueError(f"{what}: {value!r} is none of its choices")
    return place


def _retrained(content: SearchFile) -> Retrained | None:
    again = content.retrained
    if again is None:
        return None
    _require(bool(again.values), "retrained: without values")
    test = [value for value in again.test or [] if value is not None]
    return Retrained(again.of, again.found, list(again.values), test if len(test) == len(again.test or []) else [])


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
