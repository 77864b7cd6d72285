"""Reads a study's YAML: every trial of it is known to compose before the first one starts."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lungseg.core.config.compose import studies, study_path, suggestion
from lungseg.core.errors import UnknownKeyError, UsageError, UserError
from lungseg.core.security.safe_yaml import read_yaml
from lungseg.sweep.spec.preflight import Checker, require_executor
from lungseg.sweep.spec.schema import Overrides, as_plan, narrowed
from lungseg.sweep.spec.search_space_file import read_space
from lungseg.sweep.spec.settings import KEYS as SETTINGS
from lungseg.sweep.spec.settings import OF_SEARCH, read_settings
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.study_trials import steps_of_search, trials_of_grid
from lungseg.sweep.spec.trial import Trial
from lungseg.sweep.spec.untrusted_values import (
    require_axes,
    require_safe_given,
    require_safe_settings,
    require_safe_storage,
    require_safe_words,
)


def read_study(file: Path, size: str = "full", given: Overrides | None = None, out: Path | None = None) -> Study:
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


def as_study(
    content: dict[str, Any], file: Path, size: str, given: Overrides, out: Path | None, reading: Reading
) -> Study:
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
    trials = steps_of_search(plan, study) if space is not None else trials_of_grid(plan, study)
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


def _check_corner(checker: Checker, study: Study, corner: Overrides) -> None:
    try:
        checker.encoder_of(study.sought("of the search", corner), study.objectives)
    except UnknownKeyError as error:
        if error.key not in corner:
            raise
        hint = "where it goes with some choices only, say when: {KEY: [CHOICE, ...]}"
        raise UsageError(f"{study.file}: search.{error.key}: not every trial has this key ({error}); {hint}") from None


def _require_of_a_grid(given: Set[str], file: Path) -> None:
    """Refuses what would not be obeyed."""
    for key in (key for key in OF_SEARCH if key in given):
        instead = {"seeds": "grid: {seed: [0, 1, 2]}", "folds": "grid: {data.fold: [0, 1, 2]}"}
        how = f"in a grid they are an axis: {instead[key]}" if key in instead else "leave it out"
        raise UserError(f"{key}: {file} is a grid, in which every trial is run; only a search has {key}; {how}")


def read_content(file: Path) -> dict[str, Any]:
    """The YAML as it is written; a key that is there twice is refused by its reader."""
    if not study_path(file).is_file():
        there = studies()
        listed = f"there are {', '.join(there)}" if there else "expected a study, for example sweeps/pretraining.yaml"
        raise UsageError(f"{file}: no such file; {listed}{suggestion(str(file), there)}")
    content = read_yaml(study_path(file), "mend it there")
    if not isinstance(content, dict):
        raise UserError(f"{file}: is no mapping; expected a study with grid, as sweeps/pretraining.yaml is one")
    return {str(key): value for key, value in content.items()}
