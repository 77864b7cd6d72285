"""A worker: slots that each take a trial from the study, run its parts one after another, and say how it ended."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from lungseg.core.errors import DiskFullError, FailureKind, UserError
from lungseg.core.failure_file import forget_failure
from lungseg.core.parent_death import FAILURE_WANTED
from lungseg.sweep.run.exit_status import AGAIN, Ending, full, how_it_ended, values_of
from lungseg.sweep.run.resources import Environment
from lungseg.sweep.run.smaller_batch import shrunk_words, smaller
from lungseg.sweep.run.trial_logs import log_of
from lungseg.sweep.run.trial_process import Stop, finished, held, run_process, words_now
from lungseg.sweep.search.reporter import REPORT
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.trial import Trial
from lungseg.sweep.state.heartbeat import Heartbeat
from lungseg.sweep.state.recovery import Said, rescue, silent
from lungseg.sweep.state.storage import PATIENCE
from lungseg.sweep.state.study_record import asked_to_stop
from lungseg.sweep.state.trial_queue import TrialQueue
from lungseg.sweep.state.trial_row import TrialRow

log = logging.getLogger("lungseg")

PAUSE = 2.0  # seconds between two looks for work
CHECKED = 5.0  # and at least between two at the trials that run; the leader looks more often


class Worker:
    """Of ``study``, with one thread for each slot. ``most``: end after so many trials; None: when all is done."""

    def __init__(
        self,
        study: Study,
        slots: list[Environment],
        stop: Stop,
        said: Said = silent,
        kind: str = "local",
        most: int | None = None,
    ) -> None:
        self.study, self.slots, self.stop, self.said, self.most = study, slots, stop, said, most
        about = {"slots": len(slots), "executor": kind}
        self.heartbeat = Heartbeat(study.folder, study.settings.heartbeat, about)
        self.queue = TrialQueue(study, self.heartbeat.name)
        self._asked = -1.0
        self.error: BaseException | None = None
        self._taken, self._looked, self._open, self._lock = 0, 0.0, len(slots), threading.Lock()

    def run(self) -> None:
        """Until all is done, ``most`` were taken or ``stop`` says so. What a slot did not foresee ends all."""
        try:
            self._run()
        except OSError as error:  # what it had begun waits again, once somebody looks after it
            place = error.filename or self.study.folder
            raise UserError(f"{place}: {error.strerror or error}; mend that, then go on by the same command") from None

    def _run(self) -> None:
        self._obey()  # it may have come after somebody asked
        self.heartbeat.start()
        threads = [threading.Thread(target=self._slot, args=(place,)) for place in self.slots]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():  # so that signals get through
                    thread.join(0.2)
                    self._obey()
        finally:
            self.heartbeat.stop()
        if self.error:
            raise self.error

    def _obey(self) -> None:
        """What somebody asked of all workers."""
        if time.monotonic() - self._asked < 1:
            return
        self._asked = time.monotonic()
        if level := asked_to_stop(self.study.folder):
            self.stop.at_least(level)

    def _slot(self, environment: Environment) -> None:
        try:
            while not self.stop.soon.is_set() and (self.most is None or self._taken < self.most):
                self._wait_for_room()
                row = self._claim()
                if row is not None:
                    self._work(row, environment)
                elif self.queue.over():
                    return
                else:
                    self._look_after()
                    self.stop.soon.wait(PAUSE)
        except BaseException as error:
            self.error = self.error or error
            self.stop.at_least("now")
        finally:
            with self._lock:
                self._open -= 1
                if not self._open:
                    self.stop.idle.set()

    def _wait_for_room(self) -> None:
        """On the disk of the study, as for a storage that is away: else one trial after another would fail."""
        deadline, told = time.monotonic() + PATIENCE, False
        while full(self.study.folder) and not self.stop.soon.is_set():
            if time.monotonic() > deadline:
                raise DiskFullError(
                    f"{self.study.folder}: the disk is full; free space, then go on by the same command",
                    self.study.folder,
                )
            if not told:
                log.info("%s: the disk is full; nothing new is started before there is space", self.study.folder)
                told = True
            self.stop.soon.wait(PAUSE)

    def _claim(self) -> TrialRow | None:
        with self._lock:
            row = self.queue.claim(self.heartbeat.name)
            self._taken += row is not None
            return row

    def _work(self, row: TrialRow, environment: Environment) -> None:
        trial = self.study.trial(row.name, self.queue.words(row))
        self.said("began", row, "")
        values = []
        for number, part in enumerate(trial.parts):
            if not finished(part.run_dir):
                ending = self._part(row, trial, number, environment)
                if ending.kind is not None:
                    self._ended_early(row, trial, ending.kind, ending.reason)
                    return
            try:
                values.append(values_of(part.run_dir, self.study.objectives))
            except UserError as error:
                self._end(row, "failed", None, str(error))
                return
        means = [sum(each) / len(each) for each in zip(*values, strict=True)]
        self._end(row, "finished", means, "")

    def _part(self, row: TrialRow, trial: Trial, number: int, environment: Environment) -> Ending:
        """Run it, unless that is done already; ``how_it_ended``."""
        part, folder = trial.parts[number], self.study.folder
        shrunk = shrunk_words(self.queue.noted(row))
        path = log_of(folder, part)
        start = path.stat().st_size if path.exists() else 0
        with held(folder, part.name, self.stop) as lock:
            if lock is None:
                return Ending(FailureKind.STOPPED, f"{part.run_dir}: a process from before is still at work there")
            if finished(part.run_dir):
                return Ending(None)
            words = words_now(part, shrunk)
            forget_failure(part.run_dir)
            told = {**environment, **self._told(row, number), FAILURE_WANTED: str(part.run_dir)}
            code = run_process(words, path, told, lock, self.stop, self._tick)
        if code == 0 and not finished(part.run_dir):
            code = 1
        return how_it_ended(code, part.run_dir, path, start)

    def _told(self, row: TrialRow, number: int) -> Mapping[str, str]:
        """What a run needs to report, and its dashboard's group."""
        group = {"WANDB_RUN_GROUP": self.study.folder.name}
        if self.study.settings.pruner == "none":
            return group
        (objective,) = self.study.objectives
        about = {
            "storage": self.study.settings.storage, "study": self.study.id, "folder": str(self.study.folder),
            "trial": row.trial_id, "pruner": self.study.settings.pruner, "monitor": objective.name, "part": number,
        }  # fmt: skip
        return {**group, REPORT: json.dumps(about)}

    def _tick(self) -> None:
        if self.heartbeat.lost.is_set():
            log.info("no sign of life of this worker can be written to %s: its trials are stopped", self.heartbeat.path)
            self.stop.at_least("kill")

    def _ended_early(self, row: TrialRow, trial: Trial, kind: FailureKind, reason: str) -> None:
        again = row.attempt < self.study.settings.retries
        asked = self.stop.kill if kind is FailureKind.KILLED else self.stop.now
        if kind in AGAIN and asked.is_set():
            self._give_back(row, "stopped", row.attempt)
        elif kind in AGAIN and again:
            self._give_back(row, reason, row.attempt + 1)
        elif kind is FailureKind.OUT_OF_MEMORY and (less := self._less(row, trial)):
            self._give_back(row, f"{kind}: again with {' '.join(f'{k}={v}' for k, v in less.items())}", row.attempt,
                            shrunk=less)  # fmt: skip
        elif kind is FailureKind.PRUNED:
            self._end(row, "pruned", None, "")
        else:
            tried = f" ({row.attempt + 1} times)" if kind in AGAIN and row.attempt else ""
            state = "no weights" if kind is FailureKind.WEIGHTS_MISSING else "failed"
            self._end(row, state, None, reason + tried)

    def _less(self, row: TrialRow, trial: Trial) -> Mapping[str, str] | None:
        """What a smaller batch sets, where that is allowed and was not tried yet."""
        runs = [part.run_dir for part in trial.parts if not finished(part.run_dir)]
        return smaller(runs[0], self.queue.noted(row)) if self.study.settings.shrink and runs else None

    def _end(self, row: TrialRow, state: str, values: list[float] | None, reason: str) -> None:
        if self.queue.end(row, state, values, reason):
            self.said(state, row, reason)

    def _give_back(self, row: TrialRow, why: str, attempt: int, **attrs: Any) -> None:
        if self.queue.give_back(row, why, attempt, **attrs):
            self.said("given back", row, why)

    def _look_after(self) -> None:
        """Trials of workers that are dead wait again."""
        with self._lock:
            if time.monotonic() - self._looked < max(CHECKED, self.study.settings.heartbeat / 4):
                return
            self._looked = time.monotonic()
        rescue(self.queue, self.heartbeat, self.said)
