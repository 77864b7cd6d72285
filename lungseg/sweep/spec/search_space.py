"""A search space: what each key may be, and under which choice it is asked for at all."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.core.search_file import SavedParameter
from lungseg.sweep.spec.schema import Overrides, text

LARGEST = 1e30  # a bound beyond it is a slip, and steps towards it cannot be counted
MOST_STEPS = 1e9
RANGE = ("low", "high", "log", "step", "when")
CHOICE = ("choices", "when")


@dataclass(frozen=True)
class Parameter:
    """One key of train.py. ``when``: keys of earlier parameters -> the choices under which this one is asked for."""

    key: str
    distribution: BaseDistribution
    when: dict[str, list[str]]  # as words

    def holds(self, word: str) -> bool:
        """Returns whether a value, as a word, is one that the search may choose."""
        if isinstance(self.distribution, CategoricalDistribution):
            return word in self.distribution.choices
        assert isinstance(self.distribution, FloatDistribution | IntDistribution)
        try:
            return self.distribution.low <= float(word) <= self.distribution.high
        except ValueError:
            return False

    def asked(self, chosen: Mapping[str, str]) -> bool:
        return all(chosen.get(key) in values for key, values in self.when.items())


@dataclass(frozen=True)
class Space:
    """Parameters in an order in which each comes after those that it depends on."""

    parameters: list[Parameter]

    def suggest(self, trial: BaseTrial) -> Overrides:
        """What an Optuna trial sets, as Hydra reads it; choices are words to Optuna, too."""
        chosen: Overrides = {}
        for one in self.parameters:
            if one.asked(chosen):
                chosen[one.key] = _suggested(trial, one)
        return chosen

    def corners(self) -> Iterator[Overrides]:
        """Settings in which every choice, and both ends of every range, occur under each choice that leads to them."""
        longest = max((len(_ends(one.distribution)) for one in self.parameters), default=1)
        conditions = {key for one in self.parameters for key in one.when}
        leading = [one for one in self.parameters if one.key in conditions]
        for choices in itertools.product(*(_ends(one.distribution) for one in leading)):
            fixed = dict(zip((one.key for one in leading), choices, strict=True))
            for turn in range(longest):
                chosen: Overrides = {}
                for one in self.parameters:
                    ends = _ends(one.distribution)
                    if one.asked(chosen):
                        chosen[one.key] = fixed.get(one.key, ends[turn % len(ends)])
                yield chosen

    def described(self) -> list[SavedParameter]:
        """For the figures: name, whether its axis is logarithmic, choices or None."""
        return [
            SavedParameter(
                name=one.key,
                log=bool(getattr(one.distribution, "log", False)),
                choices=list(getattr(one.distribution, "choices", ())) or None,
            )
            for one in self.parameters
        ]


def read_space(content: Mapping[str, Any], file: Path) -> Space:
    found: list[Parameter] = []
    for key, given in content.items():
        place = f"{file}: search.{key}"
        if isinstance(given, list):
            given = {"choices": given}
        if not isinstance(given, Mapping):
            raise UserError(f"{place} is {given!r}; expected a list of choices, or {{low: ..., high: ...}}")
        known = CHOICE if "choices" in given else RANGE
        for name in given:
            if name not in known:
                raise UsageError(
                    f"{place}.{name}: no such key; there are {', '.join(known)}{suggestion(str(name), list(known))}"
                )
        distribution = _choices(given, place) if "choices" in given else _range(given, place)
        found.append(Parameter(key, distribution, _when(given.get("when"), found, place)))
    if not found:
        raise UserError(f"{file}: search is empty; expected keys with their ranges or choices")
    return Space(found)


def _choices(given: Mapping[str, Any], place: str) -> BaseDistribution:
    choices = given["choices"]
    if not isinstance(choices, list) or not choices:
        raise UserError(f"{place}.choices is {choices!r}; expected a list of values")
    words = [text(choice) for choice in choices]
    if len(set(words)) < len(words):
        raise UserError(f"{place}: one of the choices is there twice")
    return CategoricalDistribution(words)


def _range(given: Mapping[str, Any], place: str) -> BaseDistribution:
    low, high = (_number(given.get(name), f"{place}.{name}") for name in ("low", "high"))
    log, step = given.get("log", False), given.get("step")
    if not isinstance(log, bool):
        raise UserError(f"{place}.log is {log!r}; expected true or false")
    if step is not None and not _number(step, f"{place}.step") > 0:
        raise UserError(f"{place}.step is {step!r}; expected a number above 0")
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


def _number(value: Any, place: str) -> float:
    """YAML reads 1e-3 as a word."""
    try:
        number = float(value) if isinstance(value, str) else value
        finite = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    except (ValueError, OverflowError):
        number, finite = value, False
    if not finite or abs(number) > LARGEST:
        raise UserError(f"{place} is {value!r}; expected a number")
    return number


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


def _suggested(trial: BaseTrial, one: Parameter) -> str:
    found = one.distribution
    if isinstance(found, CategoricalDistribution):
        return str(trial.suggest_categorical(one.key, found.choices))
    if isinstance(found, IntDistribution):
        return text(trial.suggest_int(one.key, found.low, found.high, step=found.step, log=found.log))
    assert isinstance(found, FloatDistribution)
    return text(trial.suggest_float(one.key, found.low, found.high, step=found.step, log=found.log))


def _ends(distribution: BaseDistribution) -> list[str]:
    if isinstance(distribution, CategoricalDistribution):
        return [str(choice) for choice in distribution.choices]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return [text(distribution.low), text(distribution.high)]
