"""One run of a trial as a process of its own: begun, gone on with, or left alone because it is finished."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from lungseg.core.errors import UserError
from lungseg.core.locks import lock_now
from lungseg.core.parent_death import PARENT
from lungseg.core.programs import program, train_process
from lungseg.core.run_directory import Run
from lungseg.core.security.links import require_no_links_out
from lungseg.core.shell_commands import hydra_value, shell_command, shell_line
from lungseg.sweep.run.trial_logs import LINE
from lungseg.sweep.spec.trial import Part
from lungseg.training.resume import MAY_CHANGE

PROGRAM: Path | None = None  # another than train.py, for tests
CLUSTERS = ("SLURM_", "PMI_", "PMIX_", "OMPI_", "RAY_", "SUBMITIT_")  # what would make a trial think itself a rank
RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_PORT", "GROUP_RANK", "LUNGSEG_RANK", "LUNGSEG_TOKEN")
GRACE = 600.0  # seconds that a trial has to save itself
LOCKED = 60.0  # seconds that a run directory's former process has to be gone


class Stop:
    """What is asked of all that runs: ``soon`` start nothing new, ``now`` save and end, ``kill`` end.

    ``idle`` is set by a worker once nothing of it runs any more.
    """

    def __init__(self) -> None:
        self.soon, self.now, self.kill = threading.Event(), threading.Event(), threading.Event()
        self.idle = threading.Event()

    def more(self) -> str:
        """The next level, by its name."""
        for name in ("soon", "now", "kill"):
            event: threading.Event = getattr(self, name)
            if not event.is_set():
                self.at_least(name)
                return name
        return "kill"

    def at_least(self, name: str) -> None:
        for level in ("soon", "now", "kill"):
            getattr(self, level).set()
            if level == name:
                return


def finished(run_dir: Path) -> bool:
    run = Run(run_dir)
    return run.manifest_file.exists() and run.manifest().get("status") == "finished"


def words_now(part: Part, shrunk: Mapping[str, str] | None = None) -> list[str]:
    """What ``train.py`` is given: to go on where there is a checkpoint, else to begin.

    What a kill left before the first checkpoint is removed. With ``shrunk``, what a smaller batch sets, it begins anew.
    """
    run = Run(part.run_dir)
    if run.last.exists() and not (shrunk and not _has(run, shrunk)):
        moved = [f"{key}={part.overrides[key]}" for key in MAY_CHANGE if key in part.overrides]
        return [f"resume={hydra_value(run.path)}", *moved]
    if run.path.exists():
        shutil.rmtree(run.path)
    return Part(part.name, {**part.overrides, **(shrunk or {})}, part.run_dir).words


def _has(run: Run, shrunk: Mapping[str, str]) -> bool:
    """Whether the run was begun with the smaller batch."""
    return str(run.saved_values().get("data", {}).get("batch_size")) == shrunk["data.batch_size"]


def run_process(
    words: Sequence[str], log: Path, environment: Mapping[str, str], lock: int, stop: Stop, tick: Callable[[], None]
) -> int:
    """The exit code of ``train.py``; its command line and its output are added to ``log``. ``tick``: each second.

    ``stop.now`` interrupts it, so that it saves its state; ``stop.kill`` kills it. ``lock`` is held by it, too.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{LINE}{shell_line([*program('train'), *words])}\n")  # to be run by hand
        file.flush()
        process = subprocess.Popen(
            [*([sys.executable, str(PROGRAM)] if PROGRAM else train_process()), *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**_clean(os.environ), "PYTHONUNBUFFERED": "1", PARENT: str(os.getpid()), **environment},
            pass_fds=[lock],
            start_new_session=True,  # a Ctrl-C reaches it through us alone, once
        )
    try:
        return _wait(process, stop, tick)
    finally:
        _signal(process, signal.SIGKILL)  # whatever it started and left behind


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if not k.startswith(CLUSTERS) and k not in RANKS}


def _wait(process: subprocess.Popen[bytes], stop: Stop, tick: Callable[[], None]) -> int:
    asked: float | None = None
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=0.2 if stop.soon.is_set() else 1)
        if stop.kill.is_set() or (asked is not None and time.monotonic() - asked > GRACE):
            _signal(process, signal.SIGKILL)
        elif stop.now.is_set() and asked is None:
            _signal(process, signal.SIGINT)
            asked = time.monotonic()
        tick()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To all processes of the trial, as a terminal does it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one sweep at a time leads the work in ``folder``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_no_links_out(folder, 2)
        file = (folder / ".lock").open("a")
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; choose another out=FOLDER, or mend that") from None
    with file:
        if not _locked(file):
            raise UserError(
                f"{folder}: another sweep is at work there; wait for its end, stop it, choose another out=FOLDER, "
                f"or help it by: {shell_command('lungseg', 'sweep', 'join', folder)}"
            )
        yield


@contextlib.contextmanager
def held(folder: Path, name: str, stop: Stop) -> Iterator[int | None]:
    """A run directory's lock, once its former process is gone; None where it stays."""
    path = folder / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        deadline = time.monotonic() + LOCKED
        while not _locked(file):
            if time.monotonic() > deadline or stop.now.is_set():
                yield None
                return
            time.sleep(0.2)
        yield file.fileno()


def _locked(file: IO[str]) -> bool:
    return lock_now(file.fileno(), where_unknown=False)
