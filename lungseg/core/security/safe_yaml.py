"""Reads YAML that somebody else may have written: plain values, bounded in size, depth and expanded aliases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import get_yaml_loader  # reads 1e-3 as a number and refuses a key that is there twice

from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import read_plain_file

MOST_BYTES = 1_000_000
MOST_VALUES = 100_000
DEEPEST = 40
EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # where libyaml is there, it is ten times as fast
MOST_TEXT = 20_000  # characters of one value
LARGEST = 10**100  # of a whole number; Python takes seconds to write one of a million digits
DAMAGED = (yaml.YAMLError, OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
SHOWN = 60  # characters of a value that an error quotes


def read_yaml(path: Path, then: str) -> Any:
    """Returns dicts, lists, strings, numbers, booleans and None; ``then`` ends the error of a file that is none."""
    try:
        text = read_plain_file(path, MOST_BYTES).decode("utf-8-sig")
        _require_bounded(text, path, then)
        content = yaml.load(text, Loader=get_yaml_loader())  # a SafeLoader: no tag makes an object
    except DAMAGED as error:  # PyYAML's constructors of !!int and the like raise whatever comes
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not readable as YAML ({said}); {then}") from None
    for place, value in values_in(content):
        if not isinstance(value, str | int | float | bool | None):
            raise UserError(f"{path}: {dotted(place)} is a {type(value).__name__}; expected text or a number; {then}")
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST:
            raise UserError(f"{path}: {dotted(place)} has over 100 digits; expected a number; {then}")
    return content


def values_in(content: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields each value that is no mapping and no list with the keys and positions that lead to it."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from values_in(value, (*place, str(key)))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from values_in(value, (*place, str(number)))
    else:
        yield place, content


def dotted(place: tuple[str, ...]) -> str:
    """Joins keys as a command line has them: augment.transforms[0].p."""
    text = ""
    for key in place:
        text += f"[{key}]" if key.isdecimal() and text else f".{key}" if text else key
    return text or "the file"


def shown(value: Any) -> str:
    """Returns the start of a value for an error message, without line breaks or control characters."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


@dataclass
class _Node:
    """Counts one mapping or list while its events pass by."""

    anchor: str | None
    values: int = 1
    height: int = 1


@dataclass
class _Measure:
    """Adds up how many values a document has, and how deep they lie, once every alias is expanded."""

    path: Path
    then: str
    open: list[_Node] = field(default_factory=list)
    known: dict[str, tuple[int, int]] = field(default_factory=dict)  # anchor -> values, height

    def add(self, anchor: str | None, values: int, height: int) -> None:
        if anchor is not None:
            self.known[anchor] = values, height
        if self.open:
            self.open[-1].values += values
            self.open[-1].height = max(self.open[-1].height, height + 1)
        deepest = len(self.open) + height
        if values > MOST_VALUES or (self.open and self.open[-1].values > MOST_VALUES):
            raise UserError(f"{self.path}: its aliases expand to over {MOST_VALUES} values; {self.then}")
        if deepest > DEEPEST:
            raise UserError(f"{self.path}: is nested over {DEEPEST} levels deep; {self.then}")

    def alias(self, anchor: str) -> None:
        if any(node.anchor == anchor for node in self.open):
            raise UserError(f"{self.path}: the alias *{shown(anchor)} stands within what it names; {self.then}")
        self.add(None, *self.known.get(anchor, (1, 1)))


def _require_bounded(text: str, path: Path, then: str) -> None:
    """Refuses a document before anything is built of it; reading its events needs no recursion."""
    measure = _Measure(path, then)
    for event in yaml.parse(text, Loader=EVENTS):
        if isinstance(event, yaml.CollectionStartEvent):
            measure.open.append(_Node(event.anchor))
            if len(measure.open) > DEEPEST:
                raise UserError(f"{path}: is nested over {DEEPEST} levels deep; {then}")
        elif isinstance(event, yaml.CollectionEndEvent):
            node = measure.open.pop()
            measure.add(node.anchor, node.values, node.height)
        elif isinstance(event, yaml.ScalarEvent):
            if len(event.value) > MOST_TEXT:
                raise UserError(f"{path}: a value has over {MOST_TEXT:,} characters; {then}")
            measure.add(event.anchor, 1, 1)
        elif isinstance(event, yaml.AliasEvent) and event.anchor is not None:
            measure.alias(event.anchor)
