"""``lungseg sweep``: the trials of a study on whatever runs them, then the page that compares them."""

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lungseg.core.errors import PartlyDoneError, UserError
from lungseg.core.plural import plural
from lungseg.core.security.printable_text import one_line, print_error
from lungseg.core.security.trusted_code import trusting
from lungseg.core.shell_commands import shell_command, shell_word
from lungseg.sweep.display.dashboard import table
from lungseg.sweep.executors.slurm_queue import jobs_of
from lungseg.sweep.run.coordinator import handled, lead, leaders, workers
from lungseg.sweep.run.trial_process import Stop, alone
from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.study_file import read_study
from lungseg.sweep.spec.untrusted_values import typed_modules
from lungseg.sweep.state.continue_command import command_of
from lungseg.sweep.state.study_record import record, recorded
from lungseg.sweep.state.trial_queue import TrialQueue
from lungseg.sweep.state.trial_row import TrialRow

log = logging.getLogger("lungseg")


def sweep(file: Path, size: str = "full", given: Overrides | None = None, out: Path | None = None) -> int:
    """Returns 0 where all trials are finished, or lack published weights, which are named; 3 or 1 where some failed.

    Code of the user's own that the command line names is trusted in all trials.
    """
    _require_posix()
    with trusting(typed_modules(given or {})):
        return _sweep(file, size, given, out)


def _require_posix() -> None:
    """Refuses where trials could be neither signalled nor watched."""
    if os.name != "posix":
        raise UserError(
            "lungseg sweep: needs Linux or macOS; on Windows run it in WSL, or each training by lungseg train, "
            "and then lungseg compare runs"
        )


def _sweep(file: Path, size: str, given: Overrides | None, out: Path | None) -> int:
    study = read_study(file, size, given, out)
    command = command_of(study, out)
    with nothing_half_begun(study.folder), alone(study.folder):
        study = record(study, command)
        rows = lead(study, command)
        code = conclude(study, rows)
    failed = [row.name for row in rows if row.state == "failed"]
    none = not _finished(study, rows)
    if failed and (study.space is None or none):
        said = f"{len(failed)} of the trials failed, as said above: {', '.join(failed)}; to try them again: {command}"
        raise UserError(said) if none else PartlyDoneError(said, failed)
    if none:
        raise UserError(f"{study.folder}: none of the trials is finished, as said above")
    return code


@contextlib.contextmanager
def nothing_half_begun(folder: Path) -> Iterator[None]:
    """Where no trial could be begun, for a reason that its user can mend, a folder that was not there is not left."""
    before = folder.exists()
    try:
        yield
    except UserError:
        if not before and not (folder / "logs").exists() and not any((folder / "slurm").glob("*_log.*")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def conclude(study: Study, rows: Sequence[TrialRow], again: int | None = None) -> int:
    """The page, where there is something to show; what hinders it is said here, so that it hides no failed trial."""
    places, search, ended = [study.folder], None, _finished(study, rows)
    if not ended:
        return 0
    if study.space is not None:
        from lungseg.cli.sweep_results import found

        search, places = found(study, again)
    elif ended < 2:
        log.info("no comparison: it takes two finished trials")
        return 0
    from lungseg.cli.compare import compare

    log.info("")
    try:
        return compare(places, study.folder / "comparison", search=search)
    except UserError as error:
        print_error(error)
        return error.exit_code


def _finished(study: Study, rows: Sequence[TrialRow]) -> int:
    """Trials that are, without the steps before."""
    steps = study.steps
    return sum(row.state == "finished" and row.name not in steps for row in rows)


def retrain(folder: Path, seeds: int, typed: Overrides | None = None) -> int:
    """Trains the best of a search that has ended with new seeds, then makes its page again; ``typed``: settings."""
    study, command = recorded(folder, more=typed or {})
    if study.space is None:
        raise UserError(
            f"{folder}: is a grid, in which every trial is what it is; only a search's best is trained again"
        )
    if seeds < 2:
        raise UserError(f"seeds={seeds}: expected at least 2, which is what tells luck from merit")
    rows = TrialQueue(study, "best").rows()
    if not _finished(study, rows):
        raise UserError(f"{folder}: none of its trials is finished, so there is no best yet; go on by: {command}")
    with alone(study.folder):
        return conclude(study, rows, seeds)


def join(folder: Path, slots: Any = "auto") -> int:
    """Work at a study that somebody else leads."""
    _require_posix()
    from lungseg.sweep.run.join import Help, quiet, work

    stop, taken, asked = Stop(), [], []

    def said(what: str, row: TrialRow, reason: str) -> None:
        taken.extend([row.name] if what == "began" else [])
        quiet(what, row, reason)

    def act(number: int) -> None:
        asked.append(number)
        stop.at_least("now") if number == signal.SIGTERM else stop.more()

    print(
        f"helping at {one_line(folder)}; Ctrl-C once: what runs here is finished; twice: it is saved and stopped",
        flush=True,
    )
    with handled(act):
        work(folder, Help(slots=slots), stop, said)
    why = "nothing more is to be taken" if not stop.soon.is_set() else "stopped" if asked else "all were asked to stop"
    print(f"{plural(len(taken), 'trial')} taken here; {why}")
    return 130 if stop.soon.is_set() and stop.now.is_set() else 0


def _failures(study: Study, rows: Sequence[TrialRow]) -> None:
    """Those that failed alike together, and where to read on."""
    alike: dict[str, list[str]] = {}
    for row in rows:
        if row.state == "failed":
            alike.setdefault(row.reason.splitlines()[-1] if row.reason else "", []).append(row.name)
    for reason, names in alike.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        print(one_line(f"  {', '.join(names[:3])}{more}  failed: {reason}"))
    if alike:
        print(f"  what they said: {one_line(study.folder / 'logs')}")


def status(folders: Sequence[Path]) -> int:
    """Each study as its leader's table shows it."""
    places = list(folders) or sorted(path.parent for path in Path("studies").glob("*/study.json"))
    if not places:
        raise UserError("studies: holds no study; name the folder of one: lungseg sweep status FOLDER")
    here = Path.cwd()
    for place in places:
        os.chdir(here)  # from where a study was begun that was shown before
        study, command = recorded(place)
        queue = TrialQueue(study, "status")
        rows = queue.rows()
        there, led = workers(study), leaders(study)
        print("\n".join(map(one_line, table(study, rows, there, jobs_of(study)))))
        _failures(study, rows)
        page = place / "comparison" / "comparison.html"
        if there or led:
            print(f"help      {shell_command('lungseg', 'sweep', 'join', place)}")
        elif queue.over() and (here / page).exists() and not any(row.state == "failed" for row in rows):
            print(f"page      {shell_word(str(page))}")
        else:
            print(f"go on     {one_line(command)}")
    return 0
