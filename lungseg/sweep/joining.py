"""A worker for a study that somebody else leads, from any machine that sees its folder and its storage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungseg.printable import printable
from lungseg.sweep.plan import Words
from lungseg.sweep.process import Stop
from lungseg.sweep.record import recorded
from lungseg.sweep.rescue import Said
from lungseg.sweep.row import Row
from lungseg.sweep.slots import slots
from lungseg.sweep.study import Study
from lungseg.sweep.worker import Worker
from lungseg.trust import trusted_modules, trusting


def quiet(what: str, row: Row, reason: str) -> None:
    print(printable(f"{row.name}  {what}{': ' + reason if reason else ''}"), flush=True)


@dataclass(frozen=True)
class Typed:
    """Says what a leader was told on its command line, so that its workers need not believe a file."""

    given: Words
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
