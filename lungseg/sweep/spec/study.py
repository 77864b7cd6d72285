"""Holds a study: its trials, its search, and how they are run."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.security.safe_yaml import shown
from lungseg.sweep.spec.schema import Overrides, text
from lungseg.sweep.spec.search_space import Space
from lungseg.sweep.spec.settings import Objective, Settings, objectives
from lungseg.sweep.spec.trial import Trial, parts_of

NAME = re.compile(r"\w[\w .+-]*")  # of a trial: it names folders


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
    base: Overrides
    content: dict[str, Any]  # the YAML
    given: Overrides
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

    def trial(self, name: str, words: Overrides | None) -> Trial:
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

    def sought(self, name: str, chosen: Overrides) -> Trial:
        """A trial of a search: what it sets, once with each seed or on each fold."""
        overrides = self.base | chosen
        overrides = overrides | {"label": overrides.get("label", text(name))}
        needs = [trial.name for trial in self.trials]
        return Trial(name, parts_of(name, overrides, self.settings, self.folder), tuple(needs))
