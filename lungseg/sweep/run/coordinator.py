"""Who leads a study: starts its workers, watches over them, and settles what cannot be done."""

import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lungseg.core.errors import Stopped, UserError
from lungseg.core.plural import plural
from lungseg.models.hub import require_weights
from lungseg.sweep.display.dashboard import Dashboard
from lungseg.sweep.executors import Executor, make_executor
from lungseg.sweep.run.trial_process import Stop
from lungseg.sweep.spec.study import Study
from lungseg.sweep.state.heartbeat import Heartbeat, alive, sweep_away
from lungseg.sweep.state.recovery import rescue
from lungseg.sweep.state.study_record import STOP, ask_to_stop
from lungseg.sweep.state.trial_queue import TrialQueue
from lungseg.sweep.state.trial_row import TrialRow

log = logging.getLogger("lungseg")

TICK = 0.5  # seconds between two looks at the study
REDRAWN = 2.0


def lead(study: Study, command: str) -> list[TrialRow]:
    """All trials to their end, by this process and those that it starts."""
    heartbeat = Heartbeat(study.folder, study.settings.heartbeat, {"slots": 0, "executor": "lead"})
    queue, live, stop = TrialQueue(study, heartbeat.name), Dashboard(study), Stop()
    (study.folder / STOP).unlink(missing_ok=True)
    _fill(study, queue)
    _announce(study, queue.rows())
    executor = make_executor(study, stop)
    heartbeat.start()
    try:
        with live.shown(queue.rows()), _signals(study, stop, live, command) as stopped:
            try:
                _watch(study, queue, executor, heartbeat, live, stop)
            finally:
                stop.at_least("soon")
                executor.end()
            rows = _settle(study, queue)
            live.draw(rows, [])
        if stopped:
            raise Stopped(f"stopped; go on by: {command}", stopped[0])
    finally:
        heartbeat.stop()
    _summary(study, rows)
    return rows


def _watch(
    study: Study, queue: TrialQueue, executor: Executor, heartbeat: Heartbeat, live: Dashboard, stop: Stop
) -> None:
    looked = 0.0
    while not (stop.soon.is_set() and not _others(study, executor)):
        if time.monotonic() - looked > REDRAWN:
            looked = time.monotonic()
            rescue(queue, heartbeat)
            rows = queue.rows()
            if queue.over():
                return
            _give_up(study, queue, rows)
            if not stop.soon.is_set():
                executor.start(_room(study, rows))
            with contextlib.suppress(OSError):  # its folder may be away for a while
                sweep_away(study.folder, heartbeat.now(), study.settings.heartbeat)
            live.draw(rows, workers(study), executor.waits())
        time.sleep(TICK)


def _others(study: Study, executor: Executor) -> bool:
    """Whether anybody still works at the study."""
    return executor.alive() if study.settings.executor == "local" else bool(workers(study))


def workers(study: Study) -> list[dict[str, Any]]:
    return [one for one in alive(study.folder, study.settings.heartbeat) if one.get("executor") != "lead"]


def leaders(study: Study) -> list[dict[str, Any]]:
    """One, or none."""
    return [one for one in alive(study.folder, study.settings.heartbeat) if one.get("executor") == "lead"]


def _room(study: Study, rows: Sequence[TrialRow]) -> int:
    """Trials that could be started now."""
    waiting = sum(row.state in ("waiting", "running") for row in rows)
    if study.space is None:
        return waiting
    budget = study.settings.budget.trials
    return waiting + (budget + len(study.trials) - len(rows) if budget is not None else study.settings.workers)


def _give_up(study: Study, queue: TrialQueue, rows: Sequence[TrialRow]) -> None:
    """What waits needs something that failed; it is said not to be started."""
    states = {row.name: row.state for row in rows}
    needs = {trial.name: trial.needs for trial in study.trials}
    for row in rows:
        lacking = [
            need for need in needs.get(row.name, ()) if states.get(need) in ("failed", "no weights", "not started")
        ]
        if row.state == "waiting" and lacking:
            queue.end(row, "not started", None, f"{lacking[0]} is not finished")


def _fill(study: Study, queue: TrialQueue) -> None:
    """All trials wait but those whose published weights cannot be had; what failed before is tried again."""
    lacking: dict[str, str] = {}
    for encoder in {trial.encoder: None for trial in study.trials if trial.encoder}:
        try:
            require_weights(encoder, None)
        except UserError as error:
            lacking[encoder] = str(error)
            log.info("trials with pretrained=true and %s are left out: %s", encoder, error)
    encoders = {trial.name: trial.encoder for trial in study.trials}
    queue.fill(list(encoders), list(encoders))
    for row in queue.rows():
        if encoders.get(row.name) in lacking and row.state == "waiting":
            queue.end(row, "no weights", None, "")


def _announce(study: Study, rows: Sequence[TrialRow]) -> None:
    log.info("%s", study.about or study.file.stem)
    names = {trial.name for trial in study.trials}
    mine = [row for row in rows if study.space is not None or row.name in names]
    done, run = (sum(row.state in states for row in mine) for states in (("finished", "pruned"), ("running",)))
    already = f", {done} of them finished already" if done else ""
    already += f", {run} {'of them ' if not done else ''}taken already" if run else ""
    budget = study.settings.budget
    count = max(len(study.trials) + (budget.trials or 0), len(mine))
    many = plural(count, "trial")
    many = (
        many
        if study.space is None or budget.trials
        else f"trials for {budget.hours:g} {'hour' if budget.hours == 1 else 'hours'}"
    )
    log.info("%s in %s%s; what each says: %s", many, study.folder, already, study.folder / "logs")
    log.info("Ctrl-C once: what runs is finished; twice: all is saved and stopped")


def _settle(study: Study, queue: TrialQueue) -> list[TrialRow]:
    wanted = {trial.name for trial in study.trials}
    return [row for row in queue.rows() if study.space is not None or row.name in wanted]


def _summary(study: Study, rows: Sequence[TrialRow]) -> None:
    names = {state: [row.name for row in rows if row.state == state] for state in (row.state for row in rows)}
    counted = ", ".join(f"{len(those)} {state}" for state, those in names.items())
    log.info("\ntrials: %s", counted)
    if missing := names.get("no weights"):
        log.info("missing for lack of weights, as said above: %s", ", ".join(missing))
    if waiting := names.get("not started"):
        log.info("not started, because one that they need is not finished: %s", ", ".join(waiting))


@contextlib.contextmanager
def _signals(study: Study, stop: Stop, live: Dashboard, command: str) -> Iterator[list[int]]:
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

    with handled(act):
        yield told


@contextlib.contextmanager
def handled(act: Callable[[int], object]) -> Iterator[None]:
    before = {n: signal.signal(n, lambda number, frame: act(number)) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
