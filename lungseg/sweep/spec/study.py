"""A study's YAML -> its trials or its search, each known to compose before the first one starts."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lungseg.core.config.compose import studies, suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.core.security.safe_yaml import read_yaml, shown
from lungseg.sweep.spec.preflight import Checker, require_executor
from lungseg.sweep.spec.schema import Plan, Words, as_plan, narrowed, text
from lungseg.sweep.spec.search_space import Space, read_space
from lungseg.sweep.spec.settings import KEYS as SETTINGS
from lungseg.sweep.spec.settings import OF_SEARCH, Objective, Settings, objectives, read_settings
from lungseg.sweep.spec.trial import Part, Trial, parts_of
from lungseg.sweep.spec.untrusted_values import (
    require_axes,
    require_safe_given,
    require_safe_settings,
    require_safe_storage,
    require_safe_words,
)

WHERE = "out=FOLDER says where all runs lie"
KEPT_BACK = {
    "run_dir": WHERE,
    "hydra.run.dir": WHERE,
    "resume": "what was stopped goes on by itself",
    "trust": "it is said on the command line of lungseg sweep alone",
}
NAME = re.compile(r"\w[\w .+-]*")  # of a trial: it names folders
RESERVED = (  # what else lies in a study's folder
    *("logs", "comparison", "workers", "locks", "experiment", "retrained", "slurm", "stop"),
    *("study.json", "search.json", "journal.log", "wandb"),
)
MOST_TRIALS = 100_000


@dataclass(frozen=True)
class Study:
    """``trials`` are in an order in which each comes after those that it needs. A search makes its own besides."""

    file: Path
    size: str
    about: str
    folder: Path
    trials: list[Trial]
    settings: Settings
    space: Space | None
    base: Words
    content: dict[str, Any]  # the YAML
    given: Words
    typed: frozenset[str] = frozenset()  # keys that were said on this command line, and not read from a file
    id: str = "study"  # its name in a storage that it shares with others

    @property
    def objectives(self) -> list[Objective]:
        return objectives(self.settings)

    @property
    def steps(self) -> set[str]:
        """Trials that are there for others, and no answer themselves."""
        if self.space is not None:
            return {trial.name for trial in self.trials}
        return {need for trial in self.trials for need in trial.needs}

    def trial(self, name: str, words: Words | None) -> Trial:
        """By its name; ``words`` are what a search has chosen for it."""
        for trial in self.trials:
            if trial.name == name:
                return trial
        if self.space is None or not NAME.fullmatch(name):
            raise UserError(f"{self.folder}: its storage holds a trial {shown(name)}, which the study does not have")
        for key, word in (words or {}).items():
            if not any(one.key == key and one.holds(word) for one in self.space.parameters):
                raise UserError(
                    f"{self.folder}: its storage chose {shown(key)}={shown(word)} for {name}, which the search does "
                    "not have; do not use this study, or begin it anew with another out=FOLDER"
                )
        return self.sought(name, words or {})

    def sought(self, name: str, chosen: Words) -> Trial:
        """A trial of a search: what it sets, once with each seed or on each fold."""
        overrides = self.base | chosen
        overrides = overrides | {"label": overrides.get("label", text(name))}
        needs = [trial.name for trial in self.trials]
        return Trial(name, parts_of(name, overrides, self.settings, self.folder), tuple(needs))


def read_study(file: Path, size: str = "full", given: Words | None = None, out: Path | None = None) -> Study:
    """``given`` are settings, and overrides for all trials; one that names an axis chooses among its options."""
    words = dict(given or {})
    return as_study(read_content(file), file, size, words, out, Reading(frozenset(words), composed=True))


@dataclass(frozen=True)
class Reading:
    """Says what is to be done with a study, and so what is checked of it.

    ``typed``: keys that were said on this command line; all else must pass as what a stranger may have written. None
    where nothing is going to be run. ``composed``: every trial composes and the executor is there.
    """

    typed: frozenset[str] | None
    composed: bool = False


def as_study(content: dict[str, Any], file: Path, size: str, given: Words, out: Path | None, reading: Reading) -> Study:
    """Returns the study that ``content`` describes at one size, changed by the words of a command line."""
    plan = as_plan(content, size, file)
    require_axes(plan.grid, file)
    checked = reading.composed
    typed = None if reading.typed is None else reading.typed - set(plan.grid)  # an axis only chooses among the file's
    own = {key: value for key, value in given.items() if key.split(".")[0] in SETTINGS and key not in plan.grid}
    if typed is not None:
        for place, part in plan.settings.items():
            require_safe_settings(part, typed, f"{file}: {place}")
        require_safe_given(own, typed, file)
    settings = read_settings(plan.settings, own, file)
    if checked and settings.storage is not None and "storage" not in own:
        require_safe_storage(settings.storage, f"{file}: ")
    folder = out or Path("studies") / f"{file.stem}-{size}"
    grid, rest = narrowed(plan.grid, {key: value for key, value in given.items() if key not in own}, file)
    for key in (key for key in plan.search if key in rest):
        raise UsageError(f"{key}: the search of {file} seeks it; leave it out, or change the file")
    plan = replace(plan, base=plan.base | rest, grid=grid)
    space = read_space(plan.search, file) if plan.search else None
    if space is None:
        _require_of_a_grid({key.split(".")[0] for key in [*own, *(k for part in plan.settings.values() for k in part)]},
                           file)  # fmt: skip
    if space is not None and settings.budget.trials is None and settings.budget.hours is None:
        raise UserError(f"{file}: a search needs an end; say budget: {{trials: 50}}, or hours")
    study = Study(file, size, plan.about, folder, [], settings, space, plan.base, content, given, typed or frozenset())
    trials = _of_search(plan, study) if space is not None else _of_grid(plan, study)
    if typed is not None:
        _require_safe_trials(trials, study, typed)
    if checked:
        require_executor(settings.executor)
        checker = Checker(file, size, settings.executor)
        sought = {one.name: () if one.name in plan.before else study.objectives for one in trials}
        trials = [replace(one, encoder=checker.encoder_of(one, sought[one.name])) for one in trials]
    study = replace(study, trials=trials)
    if checked and space is not None:
        for corner in space.corners():
            _check_corner(checker, study, corner)
    return study


def _require_safe_trials(trials: Sequence[Trial], study: Study, typed: frozenset[str]) -> None:
    for trial in trials:
        for part in trial.parts:
            require_safe_words(part.overrides, typed, str(study.file), trial.name)
    if study.space is not None:
        require_safe_words(study.base, typed, str(study.file))
        for one in study.space.parameters:
            for word in getattr(one.distribution, "choices", ["0"]):
                require_safe_words({one.key: word}, typed, str(study.file))


def _check_corner(checker: Checker, study: Study, corner: Words) -> None:
    try:
        checker.encoder_of(study.sought("of the search", corner), study.objectives)
    except UserError as error:
        key = next((key for key in corner if f": {key}: no such key" in str(error)), None)
        if key is None:
            raise
        hint = "where it goes with some choices only, say when: {KEY: [CHOICE, ...]}"
        raise UsageError(f"{study.file}: search.{key}: not every trial has this key ({error}); {hint}") from None


def _require_of_a_grid(given: Set[str], file: Path) -> None:
    """What would not be obeyed is refused."""
    for key in (key for key in OF_SEARCH if key in given):
        instead = {"seeds": "grid: {seed: [0, 1, 2]}", "folds": "grid: {data.fold: [0, 1, 2]}"}
        how = f"in a grid they are an axis: {instead[key]}" if key in instead else "leave it out"
        raise UserError(f"{key}: {file} is a grid, in which every trial is run; only a search has {key}; {how}")


def _of_grid(plan: Plan, study: Study) -> list[Trial]:
    found: dict[str, Trial] = {}
    if math.prod(len(axis) for axis in plan.grid.values()) > MOST_TRIALS:
        raise UserError(f"{study.file}: grid: its axes make over {MOST_TRIALS:,} trials; leave some out, or search")
    for name in (name for name in plan.before if name in RESERVED):
        raise UserError(
            f"{study.file}: before.{name}: a study keeps something else of its own under that name; rename it"
        )
    for options in itertools.product(*(axis.items() for axis in plan.grid.values())):
        name = "-".join(name for name, _ in options)
        overrides = plan.base | {key: value for _, words in options for key, value in words.items()}
        if called := _label(dict(zip(plan.grid, (name for name, _ in options), strict=True))):
            overrides = overrides | {"label": overrides.get("label", text(called))}
        if name in found or name in plan.before or name in RESERVED:
            raise UserError(
                f"{study.file}: two things are called {name}; give the options of grid (or the step) other names"
            )
        found[name] = _trial(name, overrides, plan.before, study)
    needed = {need for trial in found.values() for need in trial.needs}
    before = [
        _before(name, plan.base | plan.before[name], plan.before, study) for name in plan.before if name in needed
    ]
    return [*before, *found.values()]


def _of_search(plan: Plan, study: Study) -> list[Trial]:
    """Only the steps before; ``<step>`` in base is made theirs by whoever asks for a trial."""
    needed = _trial("", plan.base, plan.before, study).needs
    own = {key: value for key, value in plan.base.items() if not _step(value)}
    for key, value in plan.base.items():
        if step := _step(value):
            study.base[key] = text(str(study.folder / step))
    return [_before(name, own | plan.before[name], plan.before, study) for name in plan.before if name in needed]


def _label(options: Mapping[str, str]) -> str:
    """What comparisons call a trial: its options of the axes that make it another model."""
    return " ".join(name for axis, name in options.items() if axis not in ("seed", "task"))


def read_content(file: Path) -> dict[str, Any]:
    """The YAML as it is written; a key that is there twice is refused by its reader."""
    if not file.is_file():
        there = studies()
        listed = f"there are {', '.join(there)}" if there else "expected a study, for example sweeps/pretraining.yaml"
        raise UsageError(f"{file}: no such file; {listed}{suggestion(str(file), there)}")
    content = read_yaml(file, "mend it there")
    if not isinstance(content, dict):
        raise UserError(f"{file}: is no mapping; expected a study with grid, as sweeps/pretraining.yaml is one")
    return {str(key): value for key, value in content.items()}


def _step(value: str) -> str | None:
    match = re.fullmatch(r'"?<([^<>]+)>"?', value)
    return match[1] if match else None


def _cycle(name: str, before: Mapping[str, Words]) -> list[str]:
    """Returns the first circle of steps that ``name`` leads to, with its first step again at its end."""
    paths, seen = [[name]], set[str]()
    while paths:
        path = paths.pop()
        if path[-1] in seen:
            continue
        seen.add(path[-1])
        for step in (_step(value) for value in before.get(path[-1], {}).values()):
            if step in path:
                return [*path[path.index(step) :], step]
            if step is not None:
                paths.append([*path, step])
    return []


def _before(name: str, overrides: Words, before: Mapping[str, Words], study: Study) -> Trial:
    """Makes a step, which uses no other: steps that wait for each other would never begin."""
    for key, value in overrides.items():
        step = _step(value)
        if step is None or step not in before:
            continue
        waits = any(_step(other) == name for other in before[step].values())
        which = "itself" if step == name else "one that waits for it in turn" if waits else "another step"
        cycle = [] if step == name else _cycle(name, before)
        which += f" ({' waits for '.join(cycle)})" if cycle else ""
        raise UserError(
            f"{study.file}: before.{name}: {key}: <{step}> is a step of before, and a step cannot use {which}; "
            f"set {key} there to null, or to the folder of a run that is finished"
        )
    return _trial(name, overrides, {}, study)


def _trial(name: str, overrides: Words, before: Mapping[str, Words], study: Study) -> Trial:
    """``<step>`` as a value becomes that step's run directory."""
    for key in (key.lstrip("+~") for key in overrides if key.lstrip("+~") in KEPT_BACK):
        raise UsageError(f"{key}: is the study's own business; leave it out: {KEPT_BACK[key]}")
    named = {key: step for key, value in overrides.items() if (step := _step(value))}
    for key, step in named.items():
        if step not in before:
            known = list(before)
            listed = f"there are {', '.join(known)}" if known else "there is none"
            raise UserError(f"{study.file}: {key}: <{step}> is no step of before; {listed}{suggestion(step, known)}")
    places = {key: text(str(study.folder / step)) for key, step in named.items()}
    part = Part(name, overrides | places, study.folder / name)
    return Trial(name, [part], tuple(dict.fromkeys(named.values())))
