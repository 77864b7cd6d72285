"""Workers as an array of SLURM jobs, or a job for each trial, through submitit.

A job that is preempted or reaches its time limit has its trial saved and given back, and is queued again by SLURM.
"""

import logging
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lungseg.errors import UserError
from lungseg.sweep.joining import work
from lungseg.sweep.process import GRACE, Stop
from lungseg.sweep.signs import alive
from lungseg.sweep.study import Study

log = logging.getLogger("lungseg")

SHARED = ("timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "name", "stderr_to_stdout")  # by all its executors
MODES = ("workers", "trials")
TIMEOUTS = 1000  # of one job, after each of which it comes back
WARNING = 120  # seconds before the limit at which a job is told


@dataclass
class Job:
    """What a job runs; submitit calls ``checkpoint`` when it has to go, and queues what that returns."""

    folder: Path
    most: int | None
    stop: Stop = field(default_factory=Stop, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "most": self.most}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.folder, self.most, self.stop = state["folder"], state["most"], Stop()

    def __call__(self) -> None:
        told = []

        def give_way(number: int, frame: object) -> None:
            told.append(number)
            self.stop.at_least("now")

        signal.signal(signal.SIGTERM, give_way)
        work(self.folder, "slurm", 1, self.most, self.stop)
        if told:  # by a preemption, after which SLURM queues only what has not ended; or by scancel
            time.sleep(GRACE)

    def checkpoint(self) -> Any:
        """Near the time limit."""
        import submitit

        self.stop.at_least("now")
        self.stop.idle.wait(WARNING)
        return submitit.helpers.DelayedSubmission(Job(self.folder, self.most))


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
        self._jobs: set[str] = set()

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
        want = min(self.study.settings.workers, waiting) if self.mode == "workers" else waiting
        missing = want - len(self._there()) - self._adopted()
        if missing > 0:
            most = 1 if self.mode == "trials" else None
            with self._submitit.batch():
                new = [self._submitit.submit(Job(self.study.folder.resolve(), most)) for _ in range(missing)]
            ids = [str(job.job_id) for job in new]
            self._jobs |= set(ids)
            those = ids[0] if missing == 1 else f"{ids[0]} to {ids[-1]}"
            log.info("%d of SLURM's jobs queued: %s; what they say: %s", missing, those, self.study.folder / "slurm")

    def _there(self) -> dict[str, str]:
        """Job -> its state, of those that wait or run. squeue knows it also where nothing is accounted for."""
        if not self._jobs:
            return {}
        ids = ",".join(sorted({job.partition("_")[0] for job in self._jobs}))
        command = ["squeue", "--noheader", "--array", "--format=%i %T", f"--jobs={ids}"]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
        if listed.returncode and "Invalid job id" not in listed.stderr:
            return dict.fromkeys(self._jobs, "UNKNOWN")  # the controller does not answer now
        found = dict(line.split() for line in listed.stdout.splitlines())
        return {job: state for job, state in found.items() if job in self._jobs and state != "COMPLETING"}

    def _adopted(self) -> int:
        """Workers that an earlier leader started, and that are still there."""
        workers = alive(self.study.folder, self.study.settings.heartbeat)
        own = {job.replace("_", "-") for job in self._jobs}
        return sum(one.get("executor") == "slurm" and one.get("job") not in own for one in workers)

    def alive(self) -> bool:
        return bool(self._there())

    def end(self) -> None:
        """Jobs that wait for a machine are taken back; those that run end by themselves."""
        waiting = [job for job, state in self._there().items() if state in ("PENDING", "REQUEUED", "UNKNOWN")]
        if waiting:
            subprocess.run(["scancel", *waiting], capture_output=True, check=False)
