"""Trials of workers that are gone wait again."""

import time
from collections.abc import Callable

from lungseg.sweep.state.heartbeat import Sign, dead
from lungseg.sweep.state.trial_queue import Ledger
from lungseg.sweep.state.trial_row import Row

DEADLY = 10  # workers that go away while they run a trial, before it is taken to be why

Said = Callable[[str, Row, str], None]  # what happened (began, finished, ...), to which, details


def silent(what: str, row: Row, reason: str) -> None:
    """The leader tells what it sees in the rows, whoever did it."""


def rescue(ledger: Ledger, sign: Sign, said: Said = silent) -> None:
    """Trials of workers that are gone wait again; one under which ``DEADLY`` workers have gone is taken to be why."""
    folder, heartbeat = ledger.study.folder, ledger.study.settings.heartbeat
    try:
        now = sign.now()
    except OSError:
        return
    for row in ledger.rows():
        if row.state != "running":
            continue
        if row.worker is None:
            gone = row.began is not None and time.time() - row.began.timestamp() > heartbeat
        else:
            gone = dead(folder, row.worker, now, heartbeat)
        if not gone:
            continue
        if row.attempt + 1 >= DEADLY:
            reason = f"{DEADLY} workers have gone while they ran it; it may take more memory than a machine has"
            if ledger.end(row, "failed", None, reason):
                said("failed", row, reason)
        elif ledger.give_back(row, f"its worker {row.worker or ''} is gone"):
            said("given back", row, f"its worker {row.worker or ''} is gone")
    ledger.find_lost()
