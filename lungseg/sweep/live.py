"""What a study looks like while it runs: on a terminal a table that is rewritten, elsewhere a line for each event."""

import contextlib
import logging
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from statistics import mean
from typing import Any

from lungseg.sweep.logs import newest_log, says_now
from lungseg.sweep.news import duration, news
from lungseg.sweep.row import Row
from lungseg.sweep.study import Study

STATES = ("finished", "running", "waiting", "pruned", "failed", "no weights", "not started")
SHOWN = 12  # running trials


class Live:
    """On ``study``; its rows are all that it is told, so it does not matter which machine did what."""

    def __init__(self, study: Study) -> None:
        self.study, self.terminal = study, sys.stdout.isatty()
        self._drawn, self._lock, self._known = 0, threading.RLock(), dict[str, Row]()

    @contextlib.contextmanager
    def shown(self, rows: Sequence[Row]) -> Iterator[None]:
        """``rows`` are no news. What is logged meanwhile stands above the table."""
        self._known = {row.name: row for row in rows}
        log, above = logging.getLogger("lungseg"), _Above()
        above.live, before, log.handlers = self, log.handlers, [above]
        try:
            yield
        finally:
            log.handlers = before

    def line(self, text: str) -> None:
        with self._lock:
            self._wipe()
            print(text, flush=True)

    def draw(self, rows: Sequence[Row], workers: Sequence[Mapping[str, Any]]) -> None:
        """What has happened since the last time, then the table."""
        for line in news(self.study, self._known, rows, begins=not self.terminal):
            self.line(line)
        self._known = {row.name: row for row in rows}
        if not self.terminal:
            return
        lines = table(self.study, rows, workers)
        with self._lock:
            self._wipe()
            size = shutil.get_terminal_size()
            lines = [line[: size.columns - 1] for line in lines[: size.lines - 2]]
            print("\n".join(lines), flush=True)
            self._drawn = len(lines)

    def _wipe(self) -> None:
        if self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="")
            self._drawn = 0


class _Above(logging.Handler):
    """Messages above a table."""

    live: Live

    def emit(self, record: logging.LogRecord) -> None:
        self.live.line(self.format(record))


def table(study: Study, rows: Sequence[Row], workers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Counts, the best so far, what runs, who works, and how long it may take still."""
    total = _total(study, rows)
    counts = Counter(row.state for row in rows)
    counts["waiting"] += max(total - len(rows), 0) if total is not None else 0
    said = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    of = f" of {total} trials" if total is not None else ""
    lines = ["", f"{study.folder}{of}: {said or 'nothing yet'}"]
    if best := best_so_far(study, rows):
        lines.append(f"best      {best}")
    slots = sum(int(one.get("slots", 1)) for one in workers)
    if workers:
        names = ", ".join(f"{one['name']} ({one.get('executor')})" for one in workers[:3])
        more = f" and {len(workers) - 3} more" if len(workers) > 3 else ""
        lines.append(f"workers   {len(workers)} with {slots} slots: {names}{more}")
    if left := time_left(rows, total, slots):
        lines.append(f"left      about {left}")
    running = [row for row in rows if row.state == "running"]
    for row in running[:SHOWN]:
        said = says_now(newest_log(study.folder, study.trial(row.name, None)))
        lines.append(f"  {row.name}  {_since(row.began)}  {said}".rstrip())
    if len(running) > SHOWN:
        lines.append(f"  and {len(running) - SHOWN} more")
    return lines


def best_so_far(study: Study, rows: Sequence[Row]) -> str:
    objectives = study.objectives
    found = [row for row in rows if row.values and len(row.values) == len(objectives)]
    if not found or (study.space is None and study.settings.objective == ""):
        return ""
    sign = [1 if one.direction == "maximize" else -1 for one in objectives]
    best = max(found, key=lambda row: sign[0] * (row.values or [0])[0])
    values = ", ".join(f"{one.name} {value:.4f}" for one, value in zip(objectives, best.values or [], strict=True))
    return f"{best.name}  {values}"


def time_left(rows: Sequence[Row], total: int | None, slots: int) -> str:
    """From the mean of what has ended; nothing before that."""
    ended = [(row.ended - row.began).total_seconds() for row in rows if row.ended and row.began and row.values]
    if not ended or total is None:
        return ""
    waiting = max(total - sum(row.state not in ("running", "waiting") for row in rows), 0)
    return duration(mean(ended) * waiting / max(slots, 1)) if waiting else ""


def _total(study: Study, rows: Sequence[Row]) -> int | None:
    if study.space is None:
        return len(study.trials)
    budget = study.settings.budget.trials
    return None if budget is None else budget + len(study.trials)


def _since(began: datetime | None) -> str:
    return duration((datetime.now() - began).total_seconds()) if began else ""
