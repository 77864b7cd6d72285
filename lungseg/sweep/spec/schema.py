"""What a study's YAML may hold: base, grid or search, before, settings, and how a size changes them."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.core.shell_commands import hydra_quoted
from lungseg.sweep.spec.settings import KEYS as SETTINGS

Overrides = dict[str, str]  # key -> value as Hydra reads it on a command line
Grid = dict[str, dict[str, Overrides]]  # axis -> option -> what it sets

PLAIN = re.compile(r"\$\{[\w.]+\}|[\w./@%*?+:-]+", re.ASCII)  # what Hydra takes without quotes


class StudyPart(BaseModel):
    """Says what a study may hold, and each of its sizes again; settings beside these have a model of their own."""

    model_config = ConfigDict(extra="forbid")

    base: dict[Any, Any] | None = None
    grid: dict[Any, Any] | None = None
    search: dict[Any, Any] | None = None
    before: dict[Any, Any] | None = None


class StudyYaml(StudyPart):
    """Says what a study's file may hold."""

    about: Any = None
    sizes: dict[Any, Any] | None = None


@dataclass(frozen=True)
class Plan:
    """``before`` are runs that others use, by name: each is ``base`` with what it sets itself.

    Either ``grid`` or ``search`` holds something. ``settings``: where they stand in the file -> them.
    """

    about: str
    base: Overrides
    grid: Grid
    search: dict[str, Any]
    before: dict[str, Overrides]
    settings: dict[str, dict[str, Any]]


def as_plan(content: Mapping[str, Any], size: str, file: Path) -> Plan:
    """The study at one size: what the size holds is added, and replaces what has the same key, axis or step."""
    _require(StudyYaml, content, file, "")
    sizes = _mapping(content.get("sizes"), file, "sizes")
    known = list(dict.fromkeys(["full", *sizes]))
    if size not in known:
        raise UsageError(f"size={size}: {file} has no such size; there are {', '.join(known)}{suggestion(size, known)}")
    own = _mapping(sizes.get(size), file, f"sizes.{size}")
    _require(StudyPart, own, file, f"sizes.{size}.")
    base: Overrides = {}
    grid: Grid = {}
    search: dict[str, Any] = {}
    before: dict[str, Overrides] = {}
    settings: dict[str, dict[str, Any]] = {}
    for part, place in ((content, ""), (own, f"sizes.{size}.")):
        base |= _words(part.get("base"), file, f"{place}base")
        for axis, options in _mapping(part.get("grid"), file, f"{place}grid").items():
            grid[axis] = _axis(axis, options, file, f"{place}grid.{axis}")
        for step, words in _mapping(part.get("before"), file, f"{place}before").items():
            _require_folder_name(step, file, f"{place}before: the step")
            before[step] = before.get(step, {}) | _words(words, file, f"{place}before.{step}")
        search |= _mapping(part.get("search"), file, f"{place}search")
        settings[place] = {key: part[key] for key in SETTINGS if part.get(key) is not None}
    _require_one(grid, search, base, file)
    return Plan(" ".join(str(content.get("about", "")).split()), base, grid, search, before, settings)


def _require_one(grid: Grid, search: Mapping[str, Any], base: Overrides, file: Path) -> None:
    if grid and search:
        raise UserError(f"{file}: grid and search: a study is either; keep one, and choices of the other within it")
    if not grid and not search:
        raise UserError(
            f"{file}: grid is empty; expected at least one axis, for example grid: {{seed: [0, 1, 2]}}, "
            "or a search, for example search: {optim.lr: {low: 1e-4, high: 1e-2, log: true}}"
        )
    for key in search:
        if key in base:
            raise UserError(f"{file}: {key}: base sets it and search seeks it; leave one out")


def narrowed(grid: Grid, given: Overrides, file: Path) -> tuple[Grid, Overrides]:
    """The grid with only the options that ``given`` names (``arm=scratch,frozen``), and the rest of ``given``.

    An axis that is a list of values takes values that it did not have, too (``seed=3,4``).
    """
    chosen = grid | {axis: _chosen(axis, given[axis], grid[axis], file) for axis in grid if axis in given}
    rest = {key: value for key, value in given.items() if key not in grid}
    for axis, options in grid.items():
        for key in (key for words in options.values() for key in words if key in rest):
            raise UsageError(
                f"{key}: the grid of {file} sets it; choose among its options by {axis}={','.join(options)}, "
                "or change the file"
            )
    return chosen, rest


def _chosen(axis: str, names: str, options: dict[str, Overrides], file: Path) -> dict[str, Overrides]:
    chosen: dict[str, Overrides] = {}
    for name in names.split(","):
        if all(list(words) == [axis] for words in options.values()):
            chosen[option_name(axis, yaml.safe_load(name))] = {axis: name}
        elif name in options:
            chosen[name] = options[name]
        else:
            known = ", ".join(options)
            hint = suggestion(name, list(options))
            raise UsageError(f"{axis}={name}: {file} has no such option; there are {known}{hint}")
    return chosen


def _axis(axis: str, options: Any, file: Path, place: str) -> dict[str, Overrides]:
    """A list of the key's values, or named options with what each sets."""
    if not isinstance(options, list | Mapping):
        raise UserError(f"{file}: {place} is {options!r}; expected a list of values as [{text(options)}], or options")
    if isinstance(options, list):
        named = [(option_name(axis, value), {axis: text(value)}) for value in options]
    else:
        named = [
            (name, _words(words, file, f"{place}.{name}")) for name, words in _mapping(options, file, place).items()
        ]
    if not named:
        raise UserError(f"{file}: {place} is empty; expected a list of values, or named options")
    counts = Counter(name for name, _ in named)
    for name in counts:
        _require_folder_name(name, file, f"{place}: the option")
        if counts[name] > 1:
            raise UserError(f"{file}: {place}: two options are called {name}, and trials would be too; rename one")
    return dict(named)


def _require_folder_name(name: str, file: Path, what: str) -> None:
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise UserError(f"{file}: {what} {name!r} will name folders; use letters, digits, - and _")


def option_name(axis: str, value: Any) -> str:
    """What a trial is called by: a word as it is, anything else behind the last part of its key, as ``seed0``."""
    word = re.sub(r"[^\w.+-]+", "-", text(value)).strip("-.")
    return word if isinstance(value, str) and word else f"{axis.rpartition('.')[2]}{word}"


def text(value: Any) -> str:
    """A value as Hydra reads it on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return hydra_quoted(value)
    return str(value)


def _words(value: Any, file: Path, place: str) -> Overrides:
    return {key: text(one) for key, one in _mapping(value, file, place).items()}


def _mapping(value: Any, file: Path, place: str) -> dict[str, Any]:
    """Absent is empty."""
    if value is not None and not isinstance(value, Mapping):
        raise UserError(f"{file}: {place} is {value!r}; expected a mapping, KEY: VALUE on each line")
    return {str(key): one for key, one in (value or {}).items()}


def _require(schema: type[StudyPart], given: Mapping[str, Any], file: Path, place: str) -> None:
    """Refuses what a study does not know, and what is no mapping where one is expected."""
    try:
        schema.model_validate({key: value for key, value in given.items() if key not in SETTINGS})
    except ValidationError as error:
        mistakes = {str(one["loc"][0]): one for one in error.errors(include_url=False)}
        key, mistake = next((key, mistakes[key]) for key in given if key in mistakes)
        if mistake["type"] != "extra_forbidden":
            _mapping(given[key], file, f"{place}{key}")
        outer = [name for name in ("about", "sizes") if name in schema.model_fields]
        known = [*outer[:1], *StudyPart.model_fields, *SETTINGS, *outer[1:]]
        listed = ", ".join(known)
        raise UsageError(f"{file}: {place}{key}: no such key; there are {listed}{suggestion(key, known)}") from None
