"""Tells where this process stands among the ranks of its run. Nothing heavy is imported."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

RANK = "LUNGSEG_RANK"  # <rank>/<ranks> by word of whoever started this process; 0/1: alone, whatever srun says
FIRST_PORT = 15000


@dataclass(frozen=True)
class RankEnvironment:
    """``by`` is what started the ranks: srun, submitit, torchrun, lungseg (rank zero did); empty: there is one."""

    rank: int = 0
    ranks: int = 1
    local_rank: int = 0
    node: int = 0
    nodes: int = 1
    by: str = ""
    address: str = "127.0.0.1"  # of rank zero
    port: int = 0  # where it listens for the others


def place(env: Mapping[str, str] = os.environ) -> RankEnvironment:
    """Of this process. A batch script's own python is alone: only what srun starts are ranks."""
    if RANK in env:
        rank, ranks = map(int, env[RANK].split("/"))
        return RankEnvironment(
            rank, ranks, rank, by="lungseg" if ranks > 1 else "", port=_port(env) if ranks > 1 else 0
        )
    if env.get("SUBMITIT_EXECUTOR") == "local" and int(env.get("SUBMITIT_LOCAL_NTASKS", 1)) > 1:
        rank, ranks = int(env["SUBMITIT_LOCAL_GLOBALID"]), int(env["SUBMITIT_LOCAL_NTASKS"])
        port = FIRST_PORT + int(env["SUBMITIT_LOCAL_JOB_ID"]) % 10_000
        return RankEnvironment(rank, ranks, int(env["SUBMITIT_LOCAL_LOCALID"]), by="submitit", port=port)
    if "SLURM_PROCID" in env and int(env.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return RankEnvironment(
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
        return RankEnvironment(
            int(env["RANK"]), ranks, *where, "torchrun", env["MASTER_ADDR"], int(env["MASTER_PORT"]) + 1
        )
    return RankEnvironment()


def _port(env: Mapping[str, str]) -> int:
    """The same on every rank, another for each job and step."""
    if "MASTER_PORT" in env:
        return int(env["MASTER_PORT"])
    return FIRST_PORT + (int(env.get("SLURM_JOB_ID", 0)) + 1009 * int(env.get("SLURM_STEP_ID", 0))) % 10_000


def _first(nodes: str) -> str:
    """``n[01-04,07],m1`` -> ``n01``."""
    match = re.match(r"([^,\[]+)(?:\[([^,\-\]]+))?([^,\[\]]*)", nodes)
    return "".join(part or "" for part in match.groups()[:2]) if match else nodes
