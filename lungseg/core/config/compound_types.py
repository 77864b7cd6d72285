"""Kinds of values that are made of other kinds: lists, values by name, alternatives."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lungseg.core.config.value_types import Choice, Kind, UnfitValueError, expected, is_list

NOTHING = Choice((None,), "null")


@dataclass(frozen=True)
class Anything:
    """Whatever nobody has declared."""

    example: str = ""
    choices = ["anything"]  # noqa: RUF012

    def convert(self, value: Any) -> Any:
        return value


@dataclass(frozen=True)
class Several:
    """Takes a list of values of one kind."""

    of: Kind
    example: str = "[...]"
    least: int = 1
    name: str = ""

    @property
    def choices(self) -> list[str]:
        return [self.name or f"a list, each of it {expected(self.of)}"]

    def convert(self, value: Any) -> list[Any]:
        if not is_list(value) or len(value) < self.least:
            raise UnfitValueError
        return [self.of.convert(one) for one in value]


@dataclass(frozen=True)
class Row:
    """Takes a list with a kind for each place."""

    kinds: tuple[Kind, ...]
    example: str = "[...]"
    name: str = ""

    @property
    def choices(self) -> list[str]:
        return [self.name or f"{len(self.kinds)} values as {self.example}"]

    def convert(self, value: Any) -> list[Any]:
        if not is_list(value) or len(value) != len(self.kinds):
            raise UnfitValueError
        return [kind.convert(one) for kind, one in zip(self.kinds, value, strict=True)]


@dataclass(frozen=True)
class ByName:
    """Values of one kind by name."""

    of: Kind
    example: str = "{name: value}"
    name: str = "names with a value each"

    @property
    def choices(self) -> list[str]:
        return [self.name]

    def convert(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise UnfitValueError
        return {str(key): self.of.convert(one) for key, one in value.items()}


@dataclass(frozen=True)
class Either:
    """Takes a value of any of several kinds; that which it is already, before any to which it can be converted."""

    kinds: tuple[Kind, ...]
    example: str = ""

    @property
    def choices(self) -> list[str]:
        return [choice for kind in self.kinds for choice in kind.choices]

    def convert(self, value: Any) -> Any:
        fitting = []
        for kind in self.kinds:
            with contextlib.suppress(UnfitValueError):
                fitting.append(kind.convert(value))
        for converted in fitting:
            if type(converted) is type(value) and converted == value:
                return converted
        if not fitting:
            raise UnfitValueError
        return fitting[0]


def or_null(kind: Kind) -> Either:
    """Takes null as well; the example is that of ``kind``."""
    return Either((kind, NOTHING), kind.example)
