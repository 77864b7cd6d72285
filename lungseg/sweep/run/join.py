"""A worker for a study that somebody else leads, from any machine that sees its folder and its storage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungseg.core.security.printable_text import printable
from lungseg.core.security.trusted_code import trusted_modules, trusting
from lungseg.sweep.run.resources import slots
from lungseg.sweep.run.trial_process import Stop
from lungseg.sweep.run.worker import Worker
from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.study import Study
from lungseg.sweep.state.recovery import Said
from lungseg.sweep.state.study_record import recorded
from lungseg.sweep.state.trial_row import TrialRow


def quiet(what: str, row: TrialRow, reason: str) -> None:
    print(printable(f"{row.name}  {what}{': ' + reason if reason else ''}"), flush=True)


@dataclass(frozen=True)
class Typed:
    """Says what a leader was told on its command line, so that its workers need not believe a file."""

    given: Overrides
    trust: tuple[str, ...]


NOTHING = Typed({}, ())


def typed_by(study: Study) -> Typed:
    """Returns what the leader of a study passes to its workers on other machines."""
    return Typed({key: value for key, value in study.given.items() if key in study.typed}, trusted_modules())


@dataclass(frozen=True)
class Help:
    """Says how a worker helps: what started it, its slots, and after how many trials it ends."""

    kind: str = "joined"
    slots: Any = "auto"
    most: int | None = None


def work(folder: Path, how: Help, stop: Stop | None = None, said: Said = quiet, typed: Typed = NOTHING) -> None:
    """Works until all is done, ``how.most`` trials were taken, or somebody asks to stop."""
    with trusting(typed.trust):
        study, _ = recorded(folder.resolve(), typed.given)
        study.settings.slots = how.slots
        Worker(study, slots(study.settings), stop or Stop(), said, how.kind, how.most).run()
