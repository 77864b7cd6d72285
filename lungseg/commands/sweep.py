"""``lungseg sweep``: the trials of a study on whatever runs them, then the page that compares them."""

import contextlib
import logging
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lungseg.errors import Stopped, UserError
from lungseg.models.hub import require_weights
from lungseg.sweep.executors import Executor, make_executor
from lungseg.sweep.ledger import Ledger, Row
from lungseg.sweep.live import Live, table
from lungseg.sweep.plan import Words
from lungseg.sweep.process import Stop, alone
from lungseg.sweep.record import STOP, ask_to_stop, command_of, record, recorded
from lungseg.sweep.signs import Sign, alive, sweep_away
from lungseg.sweep.study import Study, read_study
from lungseg.sweep.worker import rescue

log = logging.getLogger("lungseg")

TICK = 0.5  # seconds between two looks at the study
REDRAWN = 2.0


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


def lead(study: Study, command: str) -> list[Row]:
    """All trials to their end, by this process and those that it starts."""
    sign = Sign(study.folder, study.settings.heartbeat, {"slots": 0, "executor": "lead"})
    ledger, live, stop = Ledger(study, sign.name), Live(study), Stop()
    (study.folder / STOP).unlink(missing_ok=True)
    _fill(study, ledger)
    _announce(study, ledger.rows())
    executor = make_executor(study, stop, live.event)
    sign.start()
    try:
        with _signals(study, stop, live, command) as stopped:
            try:
                _watch(study, ledger, executor, sign, live, stop)
            finally:
                stop.at_least("soon")
                executor.end()
        rows = _settle(study, ledger)
        live.draw(rows, [], {})
        if stopped:
            raise Stopped(f"stopped; go on by: {command}", stopped[0])
    finally:
        sign.stop()
    _summary(study, rows)
    return rows


def _watch(study: Study, ledger: Ledger, executor: Executor, sign: Sign, live: Live, stop: Stop) -> None:
    drawn = looked = 0.0
    while not (stop.soon.is_set() and not _others(study, executor)):
        if time.monotonic() - looked > REDRAWN:
            looked = time.monotonic()
            rescue(ledger, sign, live.event)
            rows = ledger.rows()
            if ledger.over() or _stuck(study, ledger, rows):
                return
            if not stop.soon.is_set():
                executor.start(_room(study, rows))
        if time.monotonic() - drawn > REDRAWN:
            drawn = time.monotonic()
            with contextlib.suppress(OSError):  # its folder may be away for a while
                sweep_away(study.folder, sign.now(), study.settings.heartbeat)
            live.draw(ledger.rows(), _workers(study), executor.latest())
        time.sleep(TICK)


def _others(study: Study, executor: Executor) -> bool:
    """Whether anybody still works at the study."""
    return executor.alive() if study.settings.executor == "local" else bool(_workers(study))


def _workers(study: Study) -> list[dict[str, Any]]:
    return [one for one in alive(study.folder, study.settings.heartbeat) if one.get("executor") != "lead"]


def _room(study: Study, rows: Sequence[Row]) -> int:
    """Trials that could be started now."""
    waiting = sum(row.state in ("waiting", "running") for row in rows)
    if study.space is None:
        return waiting
    budget = study.settings.budget.trials
    return waiting + (budget + len(study.trials) - len(rows) if budget is not None else study.settings.workers)


def _stuck(study: Study, ledger: Ledger, rows: Sequence[Row]) -> bool:
    """What waits needs something that failed; it is said not to be started."""
    states = {row.name: row.state for row in rows}
    needs = {trial.name: trial.needs for trial in study.trials}
    for row in rows:
        lacking = [
            need for need in needs.get(row.name, ()) if states.get(need) in ("failed", "no weights", "not started")
        ]
        if row.state == "waiting" and lacking:
            ledger.end(row, "not started", None, f"{lacking[0]} is not finished")
    return False


def _fill(study: Study, ledger: Ledger) -> None:
    """All trials wait but those whose published weights cannot be had; what failed before is tried again."""
    lacking: dict[str, str] = {}
    for encoder in {trial.encoder: None for trial in study.trials if trial.encoder}:
        try:
            require_weights(encoder, None)
        except UserError as error:
            lacking[encoder] = str(error)
            log.info("trials with pretrained=true and %s are left out: %s", encoder, error)
    encoders = {trial.name: trial.encoder for trial in study.trials}
    ledger.fill(list(encoders), list(encoders))
    for row in ledger.rows():
        if encoders.get(row.name) in lacking and row.state == "waiting":
            ledger.end(row, "no weights", None, "")


def _announce(study: Study, rows: Sequence[Row]) -> None:
    log.info("%s", study.about or study.file.stem)
    done = sum(row.state in ("finished", "pruned") for row in rows)
    already = f", {done} of them finished already" if done else ""
    budget = study.settings.budget
    count = len(study.trials) + (budget.trials or 0) if study.space else len(study.trials)
    many = f"{count} trials" if study.space is None or budget.trials else f"trials for {budget.hours:g} hours"
    log.info("%s in %s%s; what each says: %s", many, study.folder, already, study.folder / "logs")
    log.info("Ctrl-C once: what runs is finished; twice: all is saved and stopped")


def _settle(study: Study, ledger: Ledger) -> list[Row]:
    wanted = {trial.name for trial in study.trials}
    return [row for row in ledger.rows() if study.space is not None or row.name in wanted]


def _summary(study: Study, rows: Sequence[Row]) -> None:
    names = {state: [row.name for row in rows if row.state == state] for state in (row.state for row in rows)}
    counted = ", ".join(f"{len(those)} {state}" for state, those in names.items())
    log.info("\ntrials: %s", counted)
    if missing := names.get("no weights"):
        log.info("missing for lack of weights, as said above: %s", ", ".join(missing))
    if waiting := names.get("not started"):
        log.info("not started, because one that they need is not finished: %s", ", ".join(waiting))


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


def join(folder: Path, slots: Any = "auto") -> int:
    """Work at a study that somebody else leads."""
    from lungseg.sweep.joining import work

    stop = Stop()
    with _handled(lambda number: stop.more() if number == signal.SIGINT else stop.at_least("now")):
        work(folder, count=slots, stop=stop)
    return 130 if stop.soon.is_set() and stop.now.is_set() else 0


def status(folders: Sequence[Path]) -> int:
    """Each study as its leader's table shows it."""
    places = list(folders) or sorted(path.parent for path in Path("studies").glob("*/study.json"))
    if not places:
        raise UserError("studies: holds no study; name the folder of one: lungseg sweep status FOLDER")
    for place in places:
        study, command = recorded(place)
        rows = Ledger(study, "status").rows()
        workers = _workers(study)
        print("\n".join(table(study, rows, workers, {})))
        for row in rows:
            if row.state == "failed":
                print(f"  {row.name}  failed: {row.reason.splitlines()[-1] if row.reason else ''}")
        print(
            f"go on     {command}"
            if not workers
            else f"help      {shlex.join(['lungseg', 'sweep', 'join', str(place)])}"
        )
    return 0


@contextlib.contextmanager
def _signals(study: Study, stop: Stop, live: Live, command: str) -> Iterator[list[int]]:
    """Ctrl-C: first let all finish, then save all and stop, then kill. SIGTERM: save all and stop."""
    told: list[int] = []

    def act(number: int) -> None:
        level = stop.more() if number == signal.SIGINT else "now"
        stop.at_least(level)
        told.append(number)
        ask_to_stop(study.folder, level)
        live.line(
            {
                "soon": "nothing new is started; what runs is finished (Ctrl-C again: save all and stop)",
                "now": "all is saved and stopped (Ctrl-C again: at once, without saving)",
                "kill": "killed",
            }[level]
        )

    with _handled(act):
        yield told


@contextlib.contextmanager
def _handled(act: Callable[[int], object]) -> Iterator[None]:
    before = {n: signal.signal(n, lambda number, frame: act(number)) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
