"""SIGINT, SIGTERM, SIGUSR1: remembered while training, which saves first; at once everywhere else."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from lungseg.core import rank_environment

PATIENCE = 5.0  # seconds that a program has to end by itself before a further Ctrl-C ends it


class CtrlC:
    """Ends a program at the first Ctrl-C; those that follow at once let it say what it saved."""

    def __init__(self) -> None:
        self.ending_since: float | None = None
        self._pid = os.getpid()

    def install(self) -> None:
        """Takes the place of Python's own handler; where Ctrl-C is ignored, or is somebody else's, nothing changes."""
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.begins()
            signal.signal(signal.SIGINT, self.handle)

    def begins(self) -> None:
        """Counts the next Ctrl-C as the first one of this process."""
        self.ending_since, self._pid = None, os.getpid()

    def ends(self) -> None:
        """Ignores a further Ctrl-C from here on: the program is ending."""
        self.ending_since = self.ending_since or time.monotonic()

    def handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid or self.ending_since is None:
            self.ends()
            raise KeyboardInterrupt
        if time.monotonic() - self.ending_since > PATIENCE:
            os.write(2, b"error: stopped at once, while it was ending\n")
            os._exit(128 + number)


CTRL_C = CtrlC()


class Interrupted(BaseException):
    """Stops at once, without saving; no ``except Exception`` on the way swallows it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Signals:
    """What came while the block ran. SLURM repeats its signals, so only a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.remembered = False
        self._pid = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        CTRL_C.begins()
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT, signal.SIGTERM]
            numbers += [getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if self._is_ours(name)]
            self._before = {number: signal.getsignal(number) for number in numbers}
            self.take()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take(self) -> None:
        """Again, from a library that has put its own handlers before ours."""
        for number in self._before:
            signal.signal(number, self._handle)

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        """While all is being ended anyhow."""
        number, self.number, self.remembered = self.number, self.number or signal.SIGTERM, True
        try:
            yield
        finally:
            self.number, self.remembered = number, False

    @staticmethod
    def _is_ours(name: str) -> bool:
        """SIGUSR2 is submitit's word for SIGUSR1."""
        return hasattr(signal, name) and (name == "SIGUSR1" or os.environ.get("SUBMITIT_EXECUTOR") == "slurm")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            return  # a loading process: SLURM signals every process of a step
        again = self.number is not None
        if number == signal.SIGINT and CTRL_C.ending_since is not None:
            CTRL_C.handle(number, frame)
            return
        if again and not (number == signal.SIGINT and self.number == signal.SIGINT):
            return
        self.number = number
        if again or not self.remembered:
            CTRL_C.ends()
            raise Interrupted(number)
        said = "stopping at the next safe point (Ctrl-C again: at once, without saving)\n"
        if rank_environment.place().rank == 0:
            os.write(1, f"\n{said}".encode())  # print may be interrupted in itself
