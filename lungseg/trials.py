"""Trials, each a process of its own: begun, gone on with, or left alone because it is finished."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from lungseg.errors import UserError
from lungseg.plan import text
from lungseg.resume import MAY_CHANGE
from lungseg.runs import Run
from lungseg.study import Trial

PROGRAM = Path(__file__).resolve().parents[1] / "train.py"


def finished(trial: Trial) -> bool:
    run = Run(trial.run_dir)
    return run.manifest_file.exists() and run.manifest().get("status") == "finished"


def words_now(trial: Trial) -> list[str]:
    """What ``train.py`` is given: to go on where there is a checkpoint, else to begin.

    What a kill left before the first checkpoint is removed.
    """
    run = Run(trial.run_dir)
    if run.last.exists():
        moved = [f"{key}={trial.overrides[key]}" for key in MAY_CHANGE if key in trial.overrides]
        return [f"resume={text(str(run.path))}", *moved]
    if run.path.exists():
        shutil.rmtree(run.path)
    return trial.words


def run_trial(words: Sequence[str], log: Path, lock: int, show: Callable[[str], None]) -> int:
    """The exit code of ``train.py``. Its output is added to ``log``; ``show`` gets its newest line now and then.

    Whatever ends the wait here (Ctrl-C, SIGTERM) interrupts the process, which saves its state, and is raised again
    once that is done; a second one kills it. ``lock`` is held by the process, too: see ``alone``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        start = file.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            pass_fds=[lock],
            start_new_session=True,  # a Ctrl-C reaches it through us alone, once
        )
        try:
            return _wait(process, lambda: show(last_lines(log, start)[-1]))
        except BaseException:
            _interrupt(process, show)
            raise


def _wait(process: subprocess.Popen[bytes], tick: Callable[[], None]) -> int:
    """The exit code, with a ``tick`` each second until there is one."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=1)
        tick()


def _interrupt(process: subprocess.Popen[bytes], show: Callable[[str], None]) -> None:
    try:
        show("saves its state; Ctrl-C again kills it")
        _signal(process, signal.SIGINT)
        process.wait()
    except BaseException:
        _signal(process, signal.SIGKILL)
        process.wait()
        raise


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To all processes of the trial, as a terminal does it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def last_lines(log: Path, start: int = 0, number: int = 5) -> list[str]:
    """The last error in ``log`` after its first ``start`` bytes; where there is none, the last lines; at least one."""
    with log.open("rb") as file:
        file.seek(max(start, file.seek(0, os.SEEK_END) - 8192))
        lines = [line.rstrip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return errors[-1:] or lines[-number:] or ["has said nothing yet"]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Only one at a time works in ``folder``: a sweep, or a trial that outlived its sweep. Yields the lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        _lock(file, folder)
        yield file.fileno()


def _lock(file: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UserError(
            f"{folder}: another sweep, or a trial that one left behind, is at work there; wait for its end, "
            "stop it, or choose another out=FOLDER"
        ) from None


class Line:
    """One line for each trial: on a terminal rewritten with what the trial says last, elsewhere written once."""

    def __init__(self, head: str) -> None:
        self.head, self.started = head, time.monotonic()
        self.live = sys.stdout.isatty()
        print(head, end="" if self.live else "  ", flush=True)

    def show(self, said: str) -> None:
        if self.live:
            room = shutil.get_terminal_size().columns - len(self.head) - 3
            print(f"\r{self.head}  {said[: max(room, 0)]}\x1b[K", end="", flush=True)

    def end(self, said: str) -> None:
        print(f"\r{self.head}  {said}\x1b[K" if self.live else said, flush=True)

    def seconds(self) -> float:
        return time.monotonic() - self.started
