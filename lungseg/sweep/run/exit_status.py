"""Tells how a run ended and what it came to."""

import math
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungseg.core import exit_codes
from lungseg.core.errors import FailureKind, UserError
from lungseg.core.failure_file import read_failure
from lungseg.core.metrics_csv import read_metrics
from lungseg.core.run_directory import Run
from lungseg.sweep.run.trial_logs import last_lines
from lungseg.sweep.spec.settings import Objective

ROOM = 2**20  # bytes, without which a disk counts as full: not even what a trial says can be kept
AGAIN = (FailureKind.STOPPED, FailureKind.KILLED, FailureKind.DISK_FULL)  # no fault of the trial's own
STOPS = tuple(exit_codes.of_signal(number) for number in (signal.SIGINT, signal.SIGTERM))  # somebody's, before it began


@dataclass(frozen=True)
class Ending:
    """Holds how a run ended: ``kind`` is None where it is finished; ``reason`` is for people."""

    kind: FailureKind | None
    reason: str = ""


def how_it_ended(code: int, run_dir: Path, log: Path, start: int) -> Ending:
    """Reads it from the exit code and ``failure.json``; ``log`` after ``start`` is what it said, for people to read."""
    if code == exit_codes.DONE:
        return Ending(None)
    if code == exit_codes.PRUNED:
        return Ending(FailureKind.PRUNED)
    failure = read_failure(run_dir)
    if failure is not None and failure.kind is not FailureKind.UNEXPECTED:
        return Ending(failure.kind, failure.message)
    if code < 0:
        return Ending(FailureKind.KILLED, f"killed by signal {-code}")
    said = last_lines(log, start)
    if code in STOPS:
        return Ending(FailureKind.STOPPED, said[-1])
    if full(log.parent):
        return Ending(FailureKind.DISK_FULL, f"{log.parents[1]}: the disk is full")
    if failure is None and code > exit_codes.of_signal(0):
        return Ending(FailureKind.KILLED, f"killed by signal {code - exit_codes.of_signal(0)}")
    return Ending(FailureKind.UNEXPECTED, said[-1].removeprefix("error: ") if len(said) == 1 else "\n".join(said))


def full(folder: Path) -> bool:
    try:
        there = os.statvfs(folder)
    except OSError:
        return False
    return there.f_bavail * there.f_frsize < ROOM


def values_of(run_dir: Path, objectives: Sequence[Objective]) -> list[float]:
    """Each objective at the epoch whose weights were kept."""
    run = Run(run_dir)
    manifest = run.manifest()
    row = _row(run, manifest.get("best_epoch"))
    found = []
    for one in objectives:
        value = manifest.get(one.name) if one.name in manifest else row.get(one.name)
        number = float(value) if isinstance(value, int | float) or value else math.nan
        if not math.isfinite(number):
            known = ", ".join(sorted(name for name, text in row.items() if name.startswith("val/") and text))
            raise UserError(f"objective={one.name}: {run.path} has none; there are {known or 'none'}")
        found.append(number)
    return found


def _row(run: Run, epoch: Any) -> Mapping[str, str]:
    """Of metrics.csv, the row of the validation of an epoch."""
    for row in read_metrics(run.metrics_file):
        if row["epoch"] == str(epoch) and row.get("val/loss"):
            return row
    return {}
