"""``lungseg sweep``: the trials of a study on whatever runs them, then the page that compares them."""

import logging
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungseg.errors import UserError
from lungseg.sweep.lead import handled, lead, workers
from lungseg.sweep.ledger import Ledger
from lungseg.sweep.live import table
from lungseg.sweep.plan import Words
from lungseg.sweep.process import Stop, alone
from lungseg.sweep.record import command_of, record, recorded
from lungseg.sweep.row import Row
from lungseg.sweep.study import Study, read_study

log = logging.getLogger("lungseg")


def sweep(file: Path, size: str = "full", given: Words | None = None, out: Path | None = None) -> int:
    """0 where all trials are finished but those without published weights, which are named; 1 where one failed."""
    study = read_study(file, size, given, out)
    command = command_of(study, out)
    with alone(study.folder):
        study = record(study, command)
        rows = lead(study, command)
        code = conclude(study, rows)
    failed = [row.name for row in rows if row.state == "failed"]
    if failed and study.space is None:
        raise UserError(
            f"{len(failed)} of the trials failed, as said above: {', '.join(failed)}; to try them again: {command}"
        )
    if not any(row.state == "finished" for row in rows):
        raise UserError(f"{study.folder}: none of the trials is finished, as said above")
    return code


def conclude(study: Study, rows: Sequence[Row], again: int | None = None) -> int:
    """The page, where there is something to show; what hinders it is said here, so that it hides no failed trial."""
    places, search = [study.folder], None
    if study.space is not None:
        from lungseg.commands.search import found

        search, places = found(study, again)
    elif sum(row.state == "finished" for row in rows) < 2:
        log.info("no comparison: it takes two finished trials")
        return 0
    from lungseg.commands.compare import compare

    log.info("")
    try:
        return compare(places, study.folder / "comparison", search=search)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def retrain(folder: Path, seeds: int) -> int:
    """The best of a search that has ended, with new seeds; then its page again."""
    study, _ = recorded(folder)
    if study.space is None:
        raise UserError(
            f"{folder}: is a grid, in which every trial is what it is; only a search's best is trained again"
        )
    if seeds < 2:
        raise UserError(f"seeds={seeds}: expected at least 2, which is what tells luck from merit")
    with alone(study.folder):
        return conclude(study, Ledger(study, "best").rows(), seeds)


def join(folder: Path, slots: Any = "auto") -> int:
    """Work at a study that somebody else leads."""
    from lungseg.sweep.joining import work

    stop = Stop()
    with handled(lambda number: stop.more() if number == signal.SIGINT else stop.at_least("now")):
        work(folder, count=slots, stop=stop)
    return 130 if stop.soon.is_set() and stop.now.is_set() else 0


def status(folders: Sequence[Path]) -> int:
    """Each study as its leader's table shows it."""
    places = list(folders) or sorted(path.parent for path in Path("studies").glob("*/study.json"))
    if not places:
        raise UserError("studies: holds no study; name the folder of one: lungseg sweep status FOLDER")
    for place in places:
        study, command = recorded(place)
        ledger = Ledger(study, "status")
        rows = ledger.rows()
        there = workers(study)
        print("\n".join(table(study, rows, there)))
        for row in rows:
            if row.state == "failed":
                print(f"  {row.name}  failed: {row.reason.splitlines()[-1] if row.reason else ''}")
        page = place / "comparison" / "comparison.html"
        if there:
            print(f"help      {shlex.join(['lungseg', 'sweep', 'join', str(place)])}")
        elif ledger.over() and page.exists() and not any(row.state == "failed" for row in rows):
            print(f"page      {shlex.quote(str(page))}")
        else:
            print(f"go on     {command}")
    return 0
