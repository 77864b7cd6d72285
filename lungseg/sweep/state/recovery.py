"""Trials of workers that are gone wait again."""

import time
from collections.abc import Callable

from lungseg.sweep.state.heartbeat import Heartbeat, dead
from lungseg.sweep.state.trial_queue import TrialQueue
from lungseg.sweep.state.trial_row import TrialRow

DEADLY = 10  # workers that go away while they run a trial, before it is taken to be why

Said = Callable[[str, TrialRow, str], None]  # what happened (began, finished, ...), to which, details


def silent(what: str, row: TrialRow, reason: str) -> None:
    """The leader tells what it sees in the rows, whoever did it."""


def rescue(queue: TrialQueue, heartbeat: Heartbeat, said: Said = silent) -> None:
    """Trials of workers that are gone wait again; one under which ``DEADLY`` workers have gone is taken to be why."""
    folder, patience = queue.study.folder, queue.study.settings.heartbeat
    try:
        now = heartbeat.now()
    except OSError:
        return
    for row in queue.rows():
        if row.state != "running":
            continue
        if row.worker is None:
            gone = row.began is not None and time.time() - row.began.timestamp() > patience
        else:
            gone = dead(folder, row.worker, now, patience)
        if not gone:
            continue
        if row.attempt + 1 >= DEADLY:
            reason = f"{DEADLY} workers have gone while they ran it; it may take more memory than a machine has"
            if queue.end(row, "failed", None, reason):
                said("failed", row, reason)
        elif queue.give_back(row, f"its worker {row.worker or ''} is gone"):
            said("given back", row, f"its worker {row.worker or ''} is gone")
    queue.find_lost()
