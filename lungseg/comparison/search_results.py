"""``search.json``: what a search over settings tried and found, read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungseg.comparison.shape import finite, get, list_of, require
from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.core.security.safe_json import parse_json, read_plain_file
from lungseg.core.shell_commands import shell_command

STATES = ("complete", "pruned", "failed", "running", "waiting")
FILE = "search.json"


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
    try:
        found = _search(parse_json(read_plain_file(path)))
        return replace(found, retrain=_retraining(path) if found.retrain else None)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UserError(
            f"{path}: cannot be read as a search ({' '.join(reason.split())}); let the search write it again"
        ) from None


def _retraining(path: Path) -> str:
    """Returns the command that trains the best again; the one that the file holds may be anybody's."""
    return shell_command("lungseg", "sweep", "retrain", path.parent, plain={"seeds": "3"})


def _search(content: Any) -> Search:
    objectives = [_objective(one) for one in list_of(content, "objectives", dict)]
    require(len(objectives) in (1, 2), f"objectives: {len(objectives)} of them, expected 1 or 2")
    parameters = [_parameter(one) for one in list_of(content, "parameters", dict)]
    known = {one.name: one for one in parameters}
    require(len(known) == len(parameters), "parameters: one is named twice")
    trials = [_trial(one, len(objectives), known) for one in list_of(content, "trials", dict)]
    numbers = {trial.number: trial for trial in trials}
    require(len(numbers) == len(trials), "trials: a number is there twice")
    best = list_of(content, "best", int)
    for number in best:
        require(number in numbers and numbers[number].state == "complete", f"best: {number} is no complete trial")
    retrain = get(content, "retrain", str | None)
    shares, again = get(content, "importances", dict | None), get(content, "retrained", dict | None)
    importances = None if shares is None else {name: finite(value, "importances") for name, value in shares.items()}
    require(not set(importances or ()) - set(known), "importances: one is of no parameter")
    require(not importances or min(importances.values()) >= 0, "importances: one is below 0")
    retrained = None if again is None else _retrained(again)
    require(retrained is None or retrained.of in numbers, "retrained: of no trial")
    found = Search(objectives, parameters, sorted(trials, key=lambda one: one.number), importances, best, retrained,
                   retrain)  # fmt: skip
    beaten = set(best) - set(found.front())
    require(not beaten, f"best: trial {min(beaten, default=0)} is beaten by another")
    require(bool(best) or not found.complete, "best: names none of the complete trials")
    return found


def _objective(content: dict[str, Any]) -> Objective:
    direction = get(content, "direction", str)
    require(direction in ("maximize", "minimize"), f"direction: {direction!r}, expected maximize or minimize")
    return Objective(get(content, "name", str), direction == "maximize")


def _parameter(content: dict[str, Any]) -> Parameter:
    choices = get(content, "choices", list | None)
    return Parameter(get(content, "name", str), get(content, "log", bool), choices)


def _trial(content: dict[str, Any], objectives: int, known: Mapping[str, Parameter]) -> Trial:
    number, state = get(content, "number", int), get(content, "state", str)
    what = f"trial {number}"
    require(number >= 0, f"{what}: expected numbers from 0 on")
    require(state in STATES, f"{what}: state {state!r}, expected one of {', '.join(STATES)}")
    values = get(content, "values", list | None)
    if values is not None:
        values = [finite(value, f"{what}: values") for value in values]
        require(
            len(values) == objectives, f"{what}: {plural(len(values), 'value')} for {plural(objectives, 'objective')}"
        )
    require(values is not None or state != "complete", f"{what}: complete, but without values")
    params = {}
    for name, value in get(content, "params", dict).items():
        require(name in known, f"{what}: {name} is none of the parameters")
        params[name] = _setting(known[name], value, f"{what}: {name}")
    seconds = get(content, "seconds", int | float | None)
    curve = sorted(_point(one, f"{what}: curve") for one in list_of(content, "curve", list) if one[1:] != [None])
    return Trial(number, get(content, "name", str), state, values, params,
                 None if seconds is None else finite(seconds, f"{what}: seconds"), curve,
                 get(content, "where", str | None) or "")  # fmt: skip


def _setting(parameter: Parameter, value: Any, what: str) -> float:
    if parameter.choices is None:
        number = finite(value, what)
        require(number > 0 or not parameter.log, f"{what}: {number:g} has no place on a log axis")
        return number
    alike = (isinstance(one, bool) == isinstance(value, bool) and one == value for one in parameter.choices)
    place = next((place for place, same in enumerate(alike) if same), None)
    if place is None:
        raise ValueError(f"{what}: {value!r} is none of its choices")
    return place


def _point(content: list[Any], what: str) -> tuple[float, float]:
    require(len(content) == 2, f"{what}: expected pairs of step and value")
    return finite(content[0], what), finite(content[1], what)


def _retrained(content: dict[str, Any]) -> Retrained:
    values = [finite(one, "retrained: values") for one in list_of(content, "values", int | float)]
    test = [finite(one, "retrained: test") for one in get(content, "test", list | None) or []]
    require(bool(values), "retrained: without values")
    return Retrained(get(content, "of", int), finite(get(content, "found", int | float), "found"), values, test)
