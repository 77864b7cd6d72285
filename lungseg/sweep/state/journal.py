"""A study's state as a file, to which each appends; on any file system that nodes share."""

import contextlib
import json
import os
import random
import time
from typing import IO, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import get_lock_file

from lungseg.core.errors import UserError

GRACE = 30.0  # seconds after which the holder of a lock is taken for dead


class PatientLock(JournalFileSymlinkLock):
    """Its pauses stay short and differ, so that nobody waits for seconds while others take turns.

    What tells whether its holder has died is the link itself: where the link leads may not be there.
    """

    def acquire(self) -> bool:
        seen, since, pause = None, time.monotonic(), 0.001
        while True:
            try:
                os.symlink(self._lock_target_file, self._lock_file)
                return True
            except FileExistsError:
                now = self._whose()
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > GRACE and self._whose() == seen:
                with contextlib.suppress(RuntimeError):  # somebody else was faster
                    self.release()
            time.sleep(random.uniform(0.5, 1.5) * pause)
            pause = min(pause * 1.5, 0.05)

    def _whose(self) -> tuple[int, int] | None:
        with contextlib.suppress(FileNotFoundError):
            link = os.lstat(self._lock_file)
            return link.st_ino, link.st_mtime_ns
        return None


class SafeJournal(JournalFileBackend):
    """Never begun anew where its file has gone, and never left with half a line by a full disk or a kill."""

    def __init__(self, path: str) -> None:
        super().__init__(path, PatientLock(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        with (
            get_lock_file(self._lock),
            open(os.open(self._file_path, os.O_RDWR | os.O_APPEND), "rb+", buffering=0) as file,  # nothing is kept back
        ):
            end = _drop_half_a_line(file)
            try:
                while lines:
                    lines = lines[file.write(lines) :]
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(end)
                raise


class CheckedJournalStorage(JournalStorage):
    """Refuses a journal that no study has written, in one line."""

    def _sync_with_backend(self) -> None:
        try:
            super()._sync_with_backend()
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, RecursionError) as error:
            place = getattr(self._backend, "_file_path", "the journal")
            reason = " ".join(str(error).split())[:80]
            raise UserError(
                f"{place}: damaged, or written by something else ({type(error).__name__}: {reason}); restore it, or "
                "begin the study anew with another out=FOLDER"
            ) from None


def _drop_half_a_line(file: IO[bytes]) -> int:
    """Whatever follows the last line end; where that is."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))
    if end and file.read() != b"\n":
        start = max(end - 65536, 0)
        file.seek(start)
        end = file.truncate(start + file.read().rfind(b"\n") + 1)
    return end
