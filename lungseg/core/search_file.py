"""Writes and reads ``search.json``: what a search over settings tried and found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lungseg.core.atomic_io import write_json
from lungseg.core.disk_format import FileSchema, Mistake, Schema, Whole, read_checked
from lungseg.core.errors import UserError

FILE = "search.json"
State = Literal["complete", "pruned", "failed", "running", "waiting"]
Number = Whole | float  # whole numbers are kept whole


class SavedObjective(Schema):
    """Says what is sought."""

    name: str
    direction: Literal["maximize", "minimize"]


class SavedParameter(Schema):
    """Says what the search may choose; ``choices``: null where it is a number."""

    name: str
    log: bool
    choices: list[Any] | None


class SavedTrial(Schema):
    """Says what one trial was and came to; ``curve``: pairs of step and value, null where that was not finite."""

    number: Whole
    name: str
    state: State
    values: list[Number] | None = None
    params: dict[str, Any]
    seconds: Number | None = None
    curve: list[list[Number | None]]
    where: str | None = None


class SavedRetraining(Schema):
    """Says what the best came to with other seeds."""

    of: Whole
    found: Number
    values: list[Number]
    test: list[Number | None] | None = None
    seeds: list[Whole] = Field(default_factory=list)


class SearchFile(FileSchema):
    """Says what the file holds."""

    objectives: list[SavedObjective]
    parameters: list[SavedParameter]
    trials: list[SavedTrial]
    importances: dict[str, Number] | None = None
    best: list[Whole]
    retrained: SavedRetraining | None = None
    retrain: str | None = None


def write_search_file(path: Path, content: SearchFile) -> None:
    """Writes all of it or leaves the file as it was."""
    write_json(path, content.model_dump())


def read_search_file(path: Path) -> SearchFile:
    """Reads it; what is of another kind than a search writes is refused in one line."""
    try:
        return SearchFile.model_validate(read_checked(SearchFile, path, _told))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UserError:
    """Returns the error for a file that says what cannot be."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return UserError(f"{path}: cannot be read as a search ({' '.join(reason.split())}); let the search write it again")


def _told(mistake: Mistake, content: Mapping[str, Any]) -> str:
    """Names a trial by its number, and a list by what one of its members is not."""
    place, value = list(mistake.place), mistake.value
    if place[:1] == ["trials"] and len(place) > 2:
        trial = content["trials"][place[1]]
        place[:2] = [f"trial {trial.get('number', place[1])}"]
    if "number" in mistake.expected and not mistake.missing and not isinstance(value, list | dict):
        what = ": ".join(str(part) for part in place if not isinstance(part, int))
        return f"{what}: {str(value)[:40]!r} is no finite number"
    if isinstance(place[-1], int):
        return f"{': '.join(map(str, place[:-1]))}: one is no {mistake.expected.split()[-1]}"
    key = ": ".join(map(str, place))
    if mistake.missing:
        return f"{key}: is missing"
    if isinstance(value, str) and place[-1] in ("state", "direction"):
        return f"{key} {value!r}, expected {mistake.expected}"
    return f"{key}: not {str(value)[:40]!r}"
