"""What has happened to the trials of a study between two looks at its rows, whichever machine did it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from lungseg.sweep.run.trial_logs import newest_log
from lungseg.sweep.spec.study import Study
from lungseg.sweep.state.trial_row import TrialRow

QUIET = ("finished", "pruned")  # ends of which nothing more is to be said


def news(study: Study, before: Mapping[str, TrialRow], rows: Sequence[TrialRow], begins: bool = True) -> list[str]:
    """Lines, in the order in which it happened; ``before`` by name. ``begins``: which began, too."""
    changed = [row for row in rows if _state(before.get(row.name)) != _state(row)]
    changed.sort(key=lambda row: row.ended or row.began or datetime.max)
    return [line for row in changed for line in _lines(study, before.get(row.name), row, begins)]


def _state(row: TrialRow | None) -> tuple[int, str] | None:
    return (row.trial_id, row.state) if row else None


def _lines(study: Study, old: TrialRow | None, row: TrialRow, begins: bool) -> Iterator[str]:
    """A trial that was given back has another row."""
    another = old is None or old.trial_id != row.trial_id
    if another and row.again:
        yield f"{row.name}  waits again: {row.again}"
    if begins and row.began and (another or (old and old.state == "waiting")):
        yield f"{row.name}  began{f' again ({row.attempt + 1})' if row.attempt else ''}"
    if row.state in ("waiting", "running"):
        return
    took = f" in {duration((row.ended - row.began).total_seconds())}" if row.ended and row.began else ""
    yield f"{row.name}  {row.state}{took if row.state in QUIET else ''}"
    if row.state in QUIET:
        return
    for line in row.reason.splitlines():
        yield f"    {line}"
    if row.began:
        yield f"    all it said: {newest_log(study.folder, study.trial(row.name, None))}"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
