"""Kinds of values: what a key takes, how it is told to a user, and how a value is converted to it."""

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lungseg.core.errors import UserError

WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
LONGEST = 80  # letters of a value that an error shows


class UnfitValueError(Exception):
    """Says that a value is not of the kind that is asked for."""


class Kind(Protocol):
    """Says what is expected, gives an example, and converts a value or raises ``UnfitValueError``."""

    @property
    def example(self) -> str: ...

    @property
    def choices(self) -> list[str]:
        """Each thing that is expected, to be joined by commas and "or"."""
        ...

    def convert(self, value: Any) -> Any: ...


@dataclass(frozen=True)
class Flag:
    """True or false; the words that Hydra takes for its own flags mean the same."""

    example: str = "true"
    choices = ["true", "false"]  # noqa: RUF012

    def convert(self, value: Any) -> bool:
        word = str(value).lower()
        if not isinstance(value, bool | int | str) or word not in WORDS:
            raise UnfitValueError
        return WORDS[word]


@dataclass(frozen=True)
class Number:
    """Takes a finite number within bounds: ``above`` and ``below`` are outside, ``least`` and ``most`` are inside."""

    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    example: str = "0.5"
    name: str = "a number"

    @property
    def choices(self) -> list[str]:
        return [f"{self.name}{_bounds(self.above, self.least, self.below, self.most)}"]

    def convert(self, value: Any) -> float:
        number = _number(value)
        bad = (
            (self.above is not None and not number > self.above)
            or (self.least is not None and not number >= self.least)
            or (self.below is not None and not number < self.below)
            or (self.most is not None and not number <= self.most)
        )
        if bad:
            raise UnfitValueError
        return number


@dataclass(frozen=True)
class Whole:
    """Takes a whole number from ``least`` to ``most``."""

    least: int | None = None
    most: int | None = None
    example: str = "1"
    name: str = "a whole number"

    @property
    def choices(self) -> list[str]:
        return [f"{self.name}{_bounds(None, self.least, None, self.most)}"]

    def convert(self, value: Any) -> int:
        number = _number(value)
        if number != int(number):
            raise UnfitValueError
        if (self.least is not None and number < self.least) or (self.most is not None and number > self.most):
            raise UnfitValueError
        return int(number)


@dataclass(frozen=True)
class Text:
    """Text that is not empty. A whole number is text, too: 2024 may be the name of a folder."""

    example: str = "name"
    name: str = "text"
    pattern: str = r"(?s).*\S.*"

    @property
    def choices(self) -> list[str]:
        return [self.name]

    def convert(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int) or not re.fullmatch(self.pattern, str(value)):
            raise UnfitValueError
        return str(value)


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]
    example: str = ""

    @property
    def choices(self) -> list[str]:
        return [shown(value) for value in self.values]

    def convert(self, value: Any) -> Any:
        for known in self.values:
            if value == known and isinstance(value, bool) == isinstance(known, bool):
                return known
        for known in self.values:
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value) == str(known):
                return known
        raise UnfitValueError


def convert(key: str, kind: Kind, value: Any) -> Any:
    """Returns the value as ``kind`` has it, or raises one line that says what ``key`` takes."""
    try:
        return kind.convert(value)
    except UnfitValueError:
        example = f", for example {kind.example}" if kind.example else ""
        raise UserError(f"{key}={shown(value)}: expected {expected(kind)}{example}") from None


def expected(kind: Kind) -> str:
    """Says what a kind takes, for an error."""
    *first, last = dict.fromkeys(kind.choices)
    comma = "," if any(", " in choice for choice in first) else ""
    return f"{', '.join(first)}{comma} or {last}" if first else last


def shown(value: Any) -> str:
    """Writes a value as it is typed on a command line, on one line."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Mapping):
        said = "{" + ",".join(f"{shown(key)}:{shown(one)}" for key, one in value.items()) + "}"
    elif is_list(value):
        said = "[" + ",".join(shown(one) for one in value) + "]"
    else:
        said = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


def _number(value: Any) -> float:
    """Returns a finite number, also from the text that an environment variable or quotes give."""
    if isinstance(value, str):
        for read in (int, float):
            with contextlib.suppress(ValueError):
                return _number(read(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) == math.inf or value != value:
        raise UnfitValueError
    return value


def _bounds(above: float | None, least: float | None, below: float | None, most: float | None) -> str:
    if above is not None and below is not None:
        return f" between {above:g} and {below:g}"
    if least is not None and most is not None:
        return f" from {least} to {most}"
    lower = f" above {above:g}" if above is not None else f", at least {least}" if least is not None else ""
    upper = f" below {below:g}" if below is not None else f" at most {most}" if most is not None else ""
    return f"{lower} and{upper}" if lower and upper else lower or upper


def is_list(value: Any) -> bool:
    """Tells a list, of OmegaConf too, from text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
