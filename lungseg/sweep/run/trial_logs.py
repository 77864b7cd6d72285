"""What the runs of a trial say, each in a file of its own in the study's folder; all its attempts one after another."""

import contextlib
import os
from pathlib import Path

from lungseg.sweep.spec.trial import Part, Trial

LINE = "$ "  # what a command begins with
TAIL = 8192  # bytes that are looked at


def log_of(folder: Path, part: Part) -> Path:
    return folder / "logs" / f"{part.name}.log"


def newest_log(folder: Path, trial: Trial) -> Path:
    """Of the run that spoke last; of the first where none has."""
    paths = [log_of(folder, part) for part in trial.parts]
    return max((path for path in paths if path.exists()), key=lambda path: path.stat().st_mtime, default=paths[0])


def says_now(log: Path) -> str:
    """The last line of the run that is at work; empty where it has said nothing yet, or it is not seen from here."""
    lines = []
    with contextlib.suppress(OSError):
        lines = _tail(log)
    return "" if not lines or lines[-1].startswith(LINE) else lines[-1]


def last_lines(log: Path, start: int = 0, number: int = 5) -> list[str]:
    """The last error in ``log`` after its first ``start`` bytes; where there is none, the last lines; at least one."""
    try:
        lines = [line for line in _tail(log, start) if not line.startswith(LINE)]
    except OSError as error:
        return [f"{log}: {error.strerror}"]
    errors = [line for line in lines if line.startswith("error: ")]
    return errors[-1:] or lines[-number:] or ["has said nothing yet"]


def _tail(log: Path, start: int = 0) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(start, file.seek(0, os.SEEK_END) - TAIL))
        return [line.rstrip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
