"""Workers as an array of SLURM jobs, or a job for each trial, through submitit.

A job that is preempted or reaches its time limit has its trial saved and given back, and is queued again by SLURM.
"""

import contextlib
import io
import logging
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.sweep.executors.slurm_queue import Queue, how_it_ended
from lungseg.sweep.run.join import Help, Typed, typed_by, work
from lungseg.sweep.run.trial_process import GRACE, Stop
from lungseg.sweep.spec.study import Study
from lungseg.sweep.state.heartbeat import alive

log = logging.getLogger("lungseg")

SHARED = ("timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "name", "stderr_to_stdout")  # by all its executors
MODES = ("workers", "trials")
TIMEOUTS = 1000  # of one job, after each of which it comes back
WARNING = 120  # seconds before the limit at which a job is told
IDLE = 3  # jobs that end one after another before they take a trial, after which no more are queued


@dataclass
class Job:
    """What a job runs; submitit calls ``checkpoint`` when it has to go, and queues what that returns."""

    folder: Path
    most: int | None
    typed: Typed
    stop: Stop = field(default_factory=Stop, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "most": self.most, "typed": self.typed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.folder, self.most, self.typed, self.stop = state["folder"], state["most"], state["typed"], Stop()

    def __call__(self) -> None:
        told = []

        def give_way(number: int, frame: object) -> None:
            told.append(number)
            self.stop.at_least("now")

        signal.signal(signal.SIGTERM, give_way)
        work(self.folder, Help("slurm", 1, self.most), self.stop, typed=self.typed)
        if told:  # by a preemption, after which SLURM queues only what has not ended; or by scancel
            time.sleep(GRACE)

    def checkpoint(self) -> Any:
        """Near the time limit."""
        import submitit

        self.stop.at_least("now")
        self.stop.idle.wait(WARNING)
        return submitit.helpers.DelayedSubmission(Job(self.folder, self.most, self.typed))


class Slurm:
    """Jobs of which each is one worker with one slot."""

    def __init__(self, study: Study) -> None:
        import submitit

        logging.getLogger("submitit").setLevel(logging.ERROR)
        options = dict(study.settings.slurm)
        self.study, self.mode = study, str(options.pop("mode", "workers"))
        if self.mode not in MODES:
            raise UserError(f"slurm.mode={self.mode}: expected one of {', '.join(MODES)}")
        try:
            self._submitit = submitit.AutoExecutor(study.folder.resolve() / "slurm", cluster="slurm")
            self._submitit.update_parameters(**self._parameters(options))
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            raise UserError(f"executor=slurm: {str(error).splitlines()[0]}; mend slurm: {{}}") from None
        self.jobs = Queue()
        self._own: set[str] = set()  # queued by this leader
        self._jobs: set[str] = set()  # of which these are not known to have ended
        self._worked: set[str] = set()  # of which a worker was seen
        self._idle = 0

    def _parameters(self, options: dict[str, Any]) -> dict[str, Any]:
        """Submitit's have its names (timeout_min, mem_gb); any other is sbatch's own, as it has it (reservation)."""
        import submitit

        resources = self.study.settings.resources
        own = set(submitit.SlurmExecutor._valid_parameters())
        given = {key if key in SHARED else f"slurm_{key}": v for key, v in options.items() if key in {*SHARED, *own}}
        others = {key: value for key, value in options.items() if key not in {*SHARED, *own}}
        return {
            "name": self.study.folder.name,
            "timeout_min": 24 * 60,
            "cpus_per_task": resources.cpus or 2,
            "slurm_array_parallelism": self.study.settings.workers,
            "slurm_signal_delay_s": WARNING,
            "slurm_setup": [f"export LUNGSEG_CORES={resources.cpus or 2}"],
            **({"gpus_per_node": max(1, round(resources.gpus))} if resources.gpus and "gres" not in options else {}),
            **({"slurm_additional_parameters": others} if others else {}),
            **given,
        }

    def start(self, waiting: int) -> None:
        """As many workers as there is work for, at most ``workers``; or a job for each trial that waits."""
        workers = [
            one for one in alive(self.study.folder, self.study.settings.heartbeat) if one.get("executor") == "slurm"
        ]
        there = self._look({str(one.get("job")) for one in workers})
        adopted = sum(one.get("job") not in self._own for one in workers)  # that an earlier leader started
        want = min(self.study.settings.workers, waiting) if self.mode == "workers" else waiting
        missing = want - len(there) - adopted
        if missing > 0:
            self._submit(missing)

    def _submit(self, missing: int) -> None:
        most, folder = 1 if self.mode == "trials" else None, self.study.folder.resolve()
        try:
            with contextlib.redirect_stderr(io.StringIO()), self._submitit.batch():
                new = [self._submitit.submit(Job(folder, most, typed_by(self.study))) for _ in range(missing)]
        except (RuntimeError, OSError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix("sbatch: error: ")
            if not self._own:
                raise UserError(f"executor=slurm: sbatch says: {said}; mend slurm.KEY=...") from None
            log.info("no more jobs can be queued now (sbatch says: %s)", said)
            return
        ids = [str(job.job_id) for job in new]
        self._own |= set(ids)
        self._jobs |= set(ids)
        self.jobs.forget()
        those = ids[0] if missing == 1 else f"{ids[0]} to {ids[-1]}"
        log.info("%d of SLURM's jobs queued: %s; what they say: %s", missing, those, self.study.folder / "slurm")

    def _look(self, working: set[str]) -> dict[str, str]:
        """Own jobs that wait or run -> their state; those that ended without having worked are told."""
        self._worked |= working & self._jobs
        there = self.jobs.there(self._jobs)
        for job in sorted(self._jobs - set(there)):
            self._jobs.discard(job)
            why = how_it_ended(self.study.folder / "slurm", job)
            if job in self._worked or why is None:
                self._idle = 0
                continue
            self._idle += 1
            log.info("SLURM's job %s ended before it took a trial: %s", job, why)
            if self._idle >= IDLE:
                place = self.study.folder / "slurm" / f"{job}_0_log.err"
                raise UserError(
                    f"executor=slurm: {IDLE} jobs, one after another, ended before they took a trial, the last one: "
                    f"{why}; what it said: {place}; mend that, then go on by the same command"
                )
        return there

    def alive(self) -> bool:
        return bool(self.jobs.there(self._jobs))

    def waits(self) -> str:
        return self.jobs.said(self._jobs)

    def end(self) -> None:
        """Jobs that wait for a machine are taken back; those that run end by themselves."""
        self.jobs.forget()
        there = self.jobs.there(self._jobs)
        waiting = [job for job, state in there.items() if state.split()[0] in ("PENDING", "REQUEUED", "UNKNOWN")]
        if waiting:
            subprocess.run(["scancel", *waiting], capture_output=True, check=False)
