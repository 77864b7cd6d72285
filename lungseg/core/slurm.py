"""Asks SLURM about the job that this process is in. Nothing heavy is imported."""

import os
import signal
import subprocess
from collections.abc import Mapping

from lungseg.core.rank_environment import RANK


def job(env: Mapping[str, str] = os.environ) -> str | None:
    """Returns SLURM's name of the job, or of one element of an array; None where another process looks after it."""
    if RANK in env:
        return None
    if "SLURM_ARRAY_JOB_ID" in env and "SLURM_ARRAY_TASK_ID" in env:
        return f"{env['SLURM_ARRAY_JOB_ID']}_{env['SLURM_ARRAY_TASK_ID']}"
    return env.get("SLURM_JOB_ID")


def restarted(env: Mapping[str, str] = os.environ) -> bool:
    """Returns whether SLURM has begun this job before."""
    return job(env) is not None and int(env.get("SLURM_RESTART_COUNT") or 0) > 0


def requeue(number: int) -> bool:
    """Has SLURM run this job again after signal ``number``; True where it will.

    A time limit is announced by SIGUSR1 (submitit: SIGUSR2), at the latest by SIGTERM when it has come. At preemption
    with a grace time a job that ends by itself would be lost, so it is requeued as well. SIGTERM also comes to jobs
    that are cancelled, and to those that SLURM itself runs again: both are left alone, and what may not be requeued.
    """
    name = job()
    if name is None or number == signal.SIGINT:
        return False
    said = _ask("show", "job", "-o", name)
    job_is = dict(word.split("=", 1) for word in said.split() if "=" in word)
    state, preempted = job_is.get("JobState"), job_is.get("PreemptTime", "None") not in ("None", "N/A")
    if job_is.get("Requeue") != "1" or job_is.get("BatchFlag") != "1":
        return False
    if state == "RUNNING" and (number != signal.SIGTERM or preempted):
        return _ask("requeue", name, failed="no") != "no"
    if state in ("COMPLETING", "TIMEOUT") and job_is.get("Reason") == "TimeLimit":
        return _ask("requeue", name, failed="no") != "no"
    return state in ("PENDING", "REQUEUED", "PREEMPTED", "SPECIAL_EXIT")


def _ask(*words: str, failed: str = "") -> str:
    try:
        answer = subprocess.run(["scontrol", *words], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return failed
    return answer.stdout if answer.returncode == 0 else failed
