"""Where this process stands among the ranks of its run, and what SLURM says of its job. Nothing heavy is imported."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

RANK = "LUNGSEG_RANK"  # <rank>/<ranks> by word of whoever started this process; 0/1: alone, whatever srun says
FIRST_PORT = 15000


@dataclass(frozen=True)
class Place:
    """``by`` is what started the ranks: srun, submitit, torchrun, lungseg (rank zero did); empty: there is one."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    node: int = 0
    nodes: int = 1
    by: str = ""
    address: str = "127.0.0.1"  # of rank zero
    port: int = 0  # where it listens for the others


def place(env: Mapping[str, str] = os.environ) -> Place:
    """Of this process. A batch script's own python is alone: only what srun starts are ranks."""
    if RANK in env:
        rank, ranks = map(int, env[RANK].split("/"))
        return Place(rank, ranks, rank, by="lungseg" if ranks > 1 else "", port=_port(env) if ranks > 1 else 0)
    if env.get("SUBMITIT_EXECUTOR") == "local" and int(env.get("SUBMITIT_LOCAL_NTASKS", 1)) > 1:
        rank, ranks = int(env["SUBMITIT_LOCAL_GLOBALID"]), int(env["SUBMITIT_LOCAL_NTASKS"])
        port = FIRST_PORT + int(env["SUBMITIT_LOCAL_JOB_ID"]) % 10_000
        return Place(rank, ranks, int(env["SUBMITIT_LOCAL_LOCALID"]), by="submitit", port=port)
    if "SLURM_PROCID" in env and int(env.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return Place(
            int(env["SLURM_PROCID"]),
            int(env["SLURM_STEP_NUM_TASKS"]),
            int(env["SLURM_LOCALID"]),
            int(env["SLURM_NODEID"]),
            int(env["SLURM_STEP_NUM_NODES"]),
            "srun",
            env.get("MASTER_ADDR") or _first(env["SLURM_STEP_NODELIST"]),
            _port(env),
        )
    if "TORCHELASTIC_RUN_ID" in env and int(env.get("WORLD_SIZE", 1)) > 1:
        ranks, here = int(env["WORLD_SIZE"]), int(env["LOCAL_WORLD_SIZE"])
        where = (int(env["LOCAL_RANK"]), int(env["GROUP_RANK"]), ranks // here)
        return Place(int(env["RANK"]), ranks, *where, "torchrun", env["MASTER_ADDR"], int(env["MASTER_PORT"]) + 1)
    return Place()


def _port(env: Mapping[str, str]) -> int:
    """The same on every rank, another for each job and step."""
    if "MASTER_PORT" in env:
        return int(env["MASTER_PORT"])
    return FIRST_PORT + (int(env.get("SLURM_JOB_ID", 0)) + 1009 * int(env.get("SLURM_STEP_ID", 0))) % 10_000


def _first(nodes: str) -> str:
    """``n[01-04,07],m1`` -> ``n01``."""
    match = re.match(r"([^,\[]+)(?:\[([^,\-\]]+))?([^,\[\]]*)", nodes)
    return "".join(part or "" for part in match.groups()[:2]) if match else nodes


def job(env: Mapping[str, str] = os.environ) -> str | None:
    """SLURM's name of the job, of one element where it is an array; None where whoever started us looks after it."""
    if RANK in env:
        return None
    if "SLURM_ARRAY_JOB_ID" in env and "SLURM_ARRAY_TASK_ID" in env:
        return f"{env['SLURM_ARRAY_JOB_ID']}_{env['SLURM_ARRAY_TASK_ID']}"
    return env.get("SLURM_JOB_ID")


def restarted(env: Mapping[str, str] = os.environ) -> bool:
    """SLURM has begun this job before."""
    return job(env) is not None and int(env.get("SLURM_RESTART_COUNT") or 0) > 0


def requeue(number: int) -> bool:
    """Have SLURM run this job again after signal ``number``; True where it will.

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
