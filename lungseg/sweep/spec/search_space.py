"""A search space: what each key may be, and under which choice it is asked for at all."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from lungseg.core.search_file import SavedParameter
from lungseg.sweep.spec.schema import Overrides, text


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
