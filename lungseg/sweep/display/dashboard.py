"""What a study looks like while it runs: on a terminal a table that is rewritten, elsewhere a line for each event."""

import contextlib
import logging
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from statistics import mean
from typing import Any

from lungseg.core.plural import plural
from lungseg.core.security.printable_text import SafeFormatter, one_line, printable
from lungseg.sweep.display.events import duration, news
from lungseg.sweep.run.trial_logs import newest_log, says_now
from lungseg.sweep.spec.settings import Objective
from lungseg.sweep.spec.study import Study
from lungseg.sweep.state.trial_row import TrialRow

STATES = ("finished", "running", "waiting", "pruned", "failed", "no weights", "not started")
SHOWN = 12  # running trials


class Dashboard:
    """On ``study``; its rows are all that it is told, so it does not matter which machine did what."""

    def __init__(self, study: Study) -> None:
        self.study, self.terminal = study, sys.stdout.isatty()
        self._drawn, self._lock, self._known = 0, threading.RLock(), dict[str, TrialRow]()

    @contextlib.contextmanager
    def shown(self, rows: Sequence[TrialRow]) -> Iterator[None]:
        """``rows`` are no news. What is logged meanwhile stands above the table."""
        self._known = {row.name: row for row in rows}
        log, above = logging.getLogger("lungseg"), _Above()
        above.setFormatter(SafeFormatter("%(message)s"))
        above.live, before, log.handlers = self, log.handlers, [above]
        try:
            yield
        finally:
            log.handlers = before

    def line(self, text: str) -> None:
        with self._lock:
            self._wipe()
            print(printable(text), flush=True)

    def draw(self, rows: Sequence[TrialRow], workers: Sequence[Mapping[str, Any]], jobs: str = "") -> None:
        """What has happened since the last time, then the table; ``jobs``: what a scheduler says of the study."""
        for line in news(self.study, self._known, rows, begins=not self.terminal):
            self.line(line)
        self._known = {row.name: row for row in rows}
        if not self.terminal:
            return
        lines = table(self.study, rows, workers, jobs)
        with self._lock:
            self._wipe()
            size = shutil.get_terminal_size()
            lines = [one_line(line)[: size.columns - 1] for line in lines[: size.lines - 2]]
            print("\n".join(lines), flush=True)
            self._drawn = len(lines)

    def _wipe(self) -> None:
        if self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="")
            self._drawn = 0


class _Above(logging.Handler):
    """Messages above a table."""

    live: Dashboard

    def emit(self, record: logging.LogRecord) -> None:
        self.live.line(self.format(record))


def table(study: Study, rows: Sequence[TrialRow], workers: Sequence[Mapping[str, Any]], jobs: str = "") -> list[str]:
    """Counts, the best so far, what runs, who works, and how long it may take still."""
    named = {trial.name for trial in study.trials}
    mine = [row for row in rows if study.space is not None or row.name in named]
    total = _total(study, mine)
    counts = Counter(row.state for row in mine)
    counts["waiting"] += max(total - len(mine), 0) if total is not None else 0
    said = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    of = "" if total is None else f" of {plural(total, 'trial')}"
    others = f" (and {len(rows) - len(mine)} of earlier commands)" if len(rows) > len(mine) else ""
    lines = ["", f"{study.folder}{of}: {said or 'nothing yet'}{others}"]
    lines += [f"best      {best}" for best in best_so_far(study, mine)]
    slots = sum(int(one.get("slots", 1)) for one in workers)
    if workers:
        names = ", ".join(f"{one['name']} ({one.get('executor')})" for one in workers[:3])
        more = f" and {len(workers) - 3} more" if len(workers) > 3 else ""
        lines.append(f"workers   {len(workers)} with {plural(slots, 'slot')}: {names}{more}")
    if jobs:
        lines.append(f"jobs      {jobs}")
    if left := time_left(mine, total, slots):
        lines.append(f"left      about {left}")
    return lines + _running(study, [row for row in rows if row.state == "running"], {one["name"] for one in workers})


def _running(study: Study, rows: Sequence[TrialRow], there: Set[str]) -> list[str]:
    lines = []
    for row in rows[:SHOWN]:
        said = says_now(newest_log(study.folder, study.trial(row.name, None)))
        if row.worker is not None and row.worker not in there:
            said = f"its worker {row.worker} is not there any more"
        lines.append(f"  {row.name}  {_since(row.began)}  {said}".rstrip())
    return [*lines, *([f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else [])]


def best_so_far(study: Study, rows: Sequence[TrialRow]) -> list[str]:
    """Of what was asked for, not of the steps before; in a grid of several tasks the best of each."""
    objectives = study.objectives
    sign = 1 if objectives[0].direction == "maximize" else -1
    steps = study.steps
    tasks = {trial.name: trial.parts[0].overrides.get("task", "") for trial in study.trials}
    found: dict[str, TrialRow] = {}
    for row in rows:
        if not row.values or len(row.values) != len(objectives) or row.name in steps:
            continue
        task = tasks.get(row.name, "")
        if task not in found or sign * row.values[0] > sign * (found[task].values or [0])[0]:
            found[task] = row
    return [f"{f'{task}: ' if len(found) > 1 else ''}{_scored(row, objectives)}" for task, row in found.items()]


def _scored(row: TrialRow, objectives: Sequence[Objective]) -> str:
    values = zip(objectives, row.values or [], strict=True)
    return f"{row.name}  {', '.join(f'{one.name} {value:.4f}' for one, value in values)}"


def time_left(rows: Sequence[TrialRow], total: int | None, slots: int) -> str:
    """From the mean of what has ended; nothing before that."""
    ended = [(row.ended - row.began).total_seconds() for row in rows if row.ended and row.began and row.values]
    if not ended or total is None:
        return ""
    waiting = max(total - sum(row.state not in ("running", "waiting") for row in rows), 0)
    return duration(mean(ended) * waiting / max(slots, 1)) if waiting else ""


def _total(study: Study, rows: Sequence[TrialRow]) -> int | None:
    """At least as many as there are: an earlier command may have had a larger budget."""
    if study.space is None:
        return len(study.trials)
    budget = study.settings.budget.trials
    return None if budget is None else max(budget + len(study.trials), len(rows))


def _since(began: datetime | None) -> str:
    return duration((datetime.now() - began).total_seconds()) if began else ""
