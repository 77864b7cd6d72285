"""Slots on this machine, in this process."""

import threading

from lungseg.sweep.run.resources import slots
from lungseg.sweep.run.trial_process import Stop
from lungseg.sweep.run.worker import Worker
from lungseg.sweep.spec.study import Study


class Local:
    """One worker, in a thread."""

    def __init__(self, study: Study, stop: Stop) -> None:
        self.worker = Worker(study, slots(study.settings), stop)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, waiting: int) -> None:
        """Once: the worker stays until all is done."""
        if self._error:
            raise self._error
        if self._thread is None:
            self._thread = threading.Thread(target=self._run)
            self._thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self._error = error

    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def waits(self) -> str:
        return ""

    def end(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._error:
            raise self._error
