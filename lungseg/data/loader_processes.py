"""Ends the loading processes of a program when it ends, whatever became of their iterator."""

import contextlib
import os
import signal
from collections.abc import Iterable
from multiprocessing.util import Finalize
from typing import Any
from weakref import WeakSet

BEFORE_JOIN = 100  # multiprocessing calls finalizers of any priority before it waits for its children


class LoadingProcesses:
    """Holds the loading processes that this process has started.

    They ignore SIGTERM, which is all that multiprocessing sends them at the end before it waits for them, without end
    where an iterator is still held, for example by the traceback of the error that ends the program.
    """

    def __init__(self) -> None:
        self._processes: WeakSet[Any] = WeakSet()
        self._iterators: WeakSet[Any] = WeakSet()
        self._owner: int | None = None  # a process that was forked from the owner registers its own end

    def add(self, processes: Iterable[Any], iterator: Any) -> None:
        if self._owner != os.getpid():
            self._processes, self._iterators, self._owner = WeakSet(), WeakSet(), os.getpid()
            Finalize(None, self.end, exitpriority=BEFORE_JOIN)
        self._processes.update(processes)
        self._iterators.add(iterator)

    def shut(self) -> None:
        """Ends those that are left in a process that goes on, as a notebook does after an error."""
        for iterator in list(self._iterators):
            if hasattr(iterator, "_shutdown_workers"):  # as Lightning ends them; torch counts no death from here on
                iterator._shutdown_workers()
        for process in list(self._processes):
            with contextlib.suppress(ValueError):  # closed already
                process.kill()

    def end(self) -> None:
        """Kills those that are left: they write nothing that could be half done."""
        with contextlib.suppress(ValueError):  # not the main thread
            if hasattr(signal, "SIGCHLD"):  # torch raises an error in its handler when a loading process dies
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for process in list(self._processes):
            with contextlib.suppress(ValueError):  # closed already
                process.kill()


STARTED = LoadingProcesses()
