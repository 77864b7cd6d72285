"""A worker for a study that somebody else leads, from any machine that sees its folder and its storage."""

from pathlib import Path
from typing import Any

from lungseg.printable import printable
from lungseg.sweep.process import Stop
from lungseg.sweep.record import recorded
from lungseg.sweep.rescue import Said
from lungseg.sweep.row import Row
from lungseg.sweep.slots import slots
from lungseg.sweep.worker import Worker


def quiet(what: str, row: Row, reason: str) -> None:
    print(printable(f"{row.name}  {what}{': ' + reason if reason else ''}"), flush=True)


def work(
    folder: Path, kind: str = "joined", count: Any = "auto", most: int | None = None, stop: Stop | None = None,
    said: Said = quiet,
) -> None:  # fmt: skip
    """Until all is done, ``most`` trials were taken, or somebody asks to stop."""
    study, _ = recorded(folder.resolve())
    study.settings.slots = count
    Worker(study, slots(study.settings), stop or Stop(), said, kind, most).run()
