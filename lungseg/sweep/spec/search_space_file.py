"""Reads the search of a study's YAML: ranges and choices, and under which choice each is asked for."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.sweep.spec.schema import text
from lungseg.sweep.spec.search_space import Parameter, Space

LARGEST = 1e30  # a bound beyond it is a slip, and steps towards it cannot be counted
MOST_STEPS = 1e9


def _finite(value: Any) -> Any:
    """Reads a number; YAML takes 1e-3 for a word."""
    try:
        number = float(value) if isinstance(value, str) else value
        known = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    except (ValueError, OverflowError):
        number, known = value, False
    if not known or abs(number) > LARGEST:
        raise PydanticCustomError("number", "a number")
    return number


def _above_zero(value: float) -> float:
    if value <= 0:
        raise PydanticCustomError("number", "a number above 0")
    return value


Number = Annotated[int | float, BeforeValidator(_finite)]


class RangeSpec(BaseModel):
    """Says what a range of numbers may hold in a study's YAML."""

    model_config = ConfigDict(extra="forbid", strict=True)

    low: Number = Field(default=None, validate_default=True)
    high: Number = Field(default=None, validate_default=True)
    log: bool = False
    step: Annotated[Number, AfterValidator(_above_zero)] | None = None
    when: Any = None


class ChoiceSpec(BaseModel):
    """Says what a list of choices may hold in a study's YAML."""

    model_config = ConfigDict(extra="forbid", strict=True)

    choices: Annotated[list[Any], Field(min_length=1)]
    when: Any = None


EXPECTED = {"bool": "true or false", "list": "a list of values", "too": "a list of values"}  # by pydantic's name
Spec = TypeVar("Spec", RangeSpec, ChoiceSpec)


def read_space(content: Mapping[str, Any], file: Path) -> Space:
    found: list[Parameter] = []
    for key, given in content.items():
        place = f"{file}: search.{key}"
        if isinstance(given, list):
            given = {"choices": given}
        if not isinstance(given, Mapping):
            raise UserError(f"{place} is {given!r}; expected a list of choices, or {{low: ..., high: ...}}")
        if "choices" in given:
            chosen = _read(ChoiceSpec, given, place)
            distribution, when = _choices(chosen, place), chosen.when
        else:
            between = _read(RangeSpec, given, place)
            distribution, when = _range(between, place), between.when
        found.append(Parameter(key, distribution, _when(when, found, place)))
    if not found:
        raise UserError(f"{file}: search is empty; expected keys with their ranges or choices")
    return Space(found)


def _read(spec: type[Spec], given: Mapping[str, Any], place: str) -> Spec:
    """Returns what the YAML says; what is wrong with it is told by its key."""
    try:
        return spec.model_validate({str(key): value for key, value in given.items()})
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        mistake = next((one for one in mistakes if one["type"] == "extra_forbidden"), mistakes[0])
        key = str(mistake["loc"][0])
        if mistake["type"] == "extra_forbidden":
            known = list(spec.model_fields)
            hint = suggestion(key, known)
            raise UsageError(f"{place}.{key}: no such key; there are {', '.join(known)}{hint}") from None
        expected = EXPECTED.get(mistake["type"].split("_")[0], mistake["msg"])
        raise UserError(f"{place}.{key} is {given.get(key)!r}; expected {expected}") from None


def _choices(given: ChoiceSpec, place: str) -> BaseDistribution:
    words = [text(choice) for choice in given.choices]
    if len(set(words)) < len(words):
        raise UserError(f"{place}: one of the choices is there twice")
    return CategoricalDistribution(words)


def _range(given: RangeSpec, place: str) -> BaseDistribution:
    low, high, log, step = given.low, given.high, given.log, given.step
    if low > high or (log and low <= 0):
        raise UserError(f"{place}: low {low:g} to high {high:g}; expected low below high{', above 0' if log else ''}")
    if log and step is not None:
        raise UserError(f"{place}: log and step: a logarithmic range has no step; leave one out")
    whole = all(isinstance(value, int) for value in (low, high, step or 1))
    if whole:
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    if step is not None and (float(high) - float(low)) / float(step) > MOST_STEPS:
        raise UserError(f"{place}.step is {step!r}: it makes over {MOST_STEPS:.0e} values; leave it out")
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _when(given: Any, earlier: list[Parameter], place: str) -> dict[str, list[str]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UserError(f"{place}.when is {given!r}; expected KEY: CHOICE, or KEY: [CHOICES]")
    found = {}
    for key, values in given.items():
        words = [text(value) for value in (values if isinstance(values, list) else [values])]
        other = next((one for one in earlier if one.key == key), None)
        if other is None or not isinstance(other.distribution, CategoricalDistribution):
            known = [one.key for one in earlier if isinstance(one.distribution, CategoricalDistribution)]
            listed = f"there are {', '.join(known)}" if known else "there is none"
            raise UserError(
                f"{place}.when: {key} is no choice that stands before; {listed}{suggestion(str(key), known)}"
            )
        for word in words:
            if word not in other.distribution.choices:
                listed = ", ".join(map(str, other.distribution.choices))
                raise UserError(f"{place}.when: {key} is never {word}; its choices are {listed}")
        found[str(key)] = words
    return found
