"""SLURM's queue, as far as it concerns a study, and how a job ended."""

import getpass
import io
import pickle
import subprocess
import time
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from lungseg.sweep.spec.study import Study

POLITE = 10.0  # seconds between two questions to SLURM's controller
GONE = ("COMPLETING", "COMPLETED")


class Queue:
    """squeue knows a job also where nothing is accounted for; it is asked no more often than is polite."""

    def __init__(self) -> None:
        self._asked, self._found = 0.0, dict[str, str]()

    def forget(self) -> None:
        self._asked = 0.0

    def there(self, jobs: Set[str]) -> dict[str, str]:
        """Those of ``jobs`` that wait or run -> state and SLURM's reason; UNKNOWN where nobody answers."""
        if not jobs:
            return {}
        if time.monotonic() - self._asked > POLITE:
            ids = ",".join(sorted({job.partition("_")[0] for job in jobs}))
            found = ask([f"--jobs={ids}"])
            self._found = dict.fromkeys(jobs, "UNKNOWN") if found is None else found
            self._asked = time.monotonic()
        return {job: said for job, said in self._found.items() if job in jobs}

    def said(self, jobs: Set[str]) -> str:
        return counted(list(self.there(jobs).values()))


def ask(which: Sequence[str]) -> dict[str, str] | None:
    """Job -> state and reason; None where nobody answers."""
    command = ["squeue", "--noheader", "--array", "--format=%i %T %r", *which]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if listed.returncode and "Invalid job id" not in listed.stderr:
        return None
    found = (line.split(maxsplit=1) for line in listed.stdout.splitlines())
    return {job: said for job, said in found if said.split()[0] not in GONE}


def jobs_of(study: Study) -> str:
    """What SLURM says of a study's jobs, whoever leads it; empty for others, and where there is no SLURM."""
    if study.settings.executor != "slurm":
        return ""
    name = study.settings.slurm.get("name", study.folder.name)
    return counted(list((ask([f"--name={name}", f"--user={getpass.getuser()}"]) or {}).values()))


def counted(states: Sequence[str]) -> str:
    """As 2 pending (Resources), 1 running."""
    named = []
    for said in states:
        state, _, reason = said.partition(" ")
        known = state == "PENDING" and reason not in ("", "None")
        named.append(f"{state.lower()} ({reason})" if known else state.lower())
    return ", ".join(f"{count} {state}" for state, count in Counter(named).most_common())


class _PlainReader(pickle.Unpickler):
    """Reads text and None, which is all that submitit writes here; a file in its place that names code is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is no text")


def how_it_ended(folder: Path, job: str) -> str | None:
    """Why a job of submitit's did not end in good order; None where it did."""
    said = "it said nothing; was it cancelled?"
    try:
        how, result = _PlainReader(io.BytesIO((folder / f"{job}_0_result.pkl").read_bytes())).load()
        if how == "success":
            return None
        said = str(result)
    except (OSError, ValueError, TypeError, EOFError, KeyError, IndexError, AttributeError, pickle.UnpicklingError):
        log = folder / f"{job}_0_log.err"
        said = log.read_text(errors="replace") if log.exists() and log.stat().st_size else said
    return (said.strip() or "it said nothing").splitlines()[-1]
