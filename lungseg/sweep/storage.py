"""Where the state of a study lies: a journal in its folder, or a database. Both may be away for a while."""

import contextlib
import json
import logging
import os
import random
import time
import warnings
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages._rdb.models import TrialModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import get_lock_file
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from lungseg.errors import UserError

Answer = TypeVar("Answer")

log = logging.getLogger("lungseg")

JOURNAL = "journal.log"
GRACE = 30.0  # seconds after which the holder of a journal's lock is taken for dead
PATIENCE = 300.0  # seconds for which a storage may be away
DRIVERS = {"postgresql": "lungseg[postgresql]", "mysql": "lungseg[mysql]"}
SPEAKING = {
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
}  # what these bring, where an address is short

optuna.logging.set_verbosity(optuna.logging.ERROR)


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


def _drop_half_a_line(file: IO[bytes]) -> int:
    """Whatever follows the last line end; where that is."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))
    if end and file.read() != b"\n":
        start = max(end - 65536, 0)
        file.seek(start)
        end = file.truncate(start + file.read().rfind(b"\n") + 1)
    return end


class LightDatabase(RDBStorage):
    """What waits is read in full only once: nothing is written to it before it is taken."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        super().__init__(url, engine_kwargs=options)
        self._waiting: set[int] = set()

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        waited = included_trial_ids & self._waiting
        if waited and states is None:
            least = min(*included_trial_ids, trial_id_greater_than + 1)
            with _create_scoped_session(self.scoped_session) as session:
                there = (
                    session.query(TrialModel.trial_id, TrialModel.state)
                    .filter(TrialModel.study_id == study_id, TrialModel.trial_id >= least)
                    .all()
                )
            included_trial_ids = {
                number
                for number, state in there
                if (number in included_trial_ids or number > trial_id_greater_than)
                and not (number in waited and state == TrialState.WAITING)
            }
            if not included_trial_ids:
                return []
            trial_id_greater_than = max(number for number, _ in there)
        found = super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        for trial in found:
            (self._waiting.add if trial.state == TrialState.WAITING else self._waiting.discard)(trial._trial_id)
        return found


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """``url`` None: the journal in ``folder``. A database that cannot be reached now is an error at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's journal calls itself experimental
        if url is None:
            folder.mkdir(parents=True, exist_ok=True)
            return JournalStorage(SafeJournal(str(folder / JOURNAL)))
        return _database(url)


def _database(url: str) -> BaseStorage:
    try:
        address = make_url(url)
        kind = address.get_backend_name()
        speaking = address.set(drivername=SPEAKING.get(address.drivername, address.drivername))
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 2}
        options = {"connect_args": {"timeout": 60}} if kind == "sqlite" else options
        return _made_once(speaking.render_as_string(hide_password=False), options)
    except ArgumentError:
        raise UserError(
            f"storage={_hidden(url)}: is no database's address; expected sqlite:///FILE, postgresql://USER@HOST/NAME "
            "or mysql+pymysql://USER@HOST/NAME, or null for a journal in the study's folder"
        ) from None
    except (ImportError, NoSuchModuleError) as error:
        package = DRIVERS.get(url.partition(":")[0].partition("+")[0], "its driver")
        raise UserError(
            f"storage={_hidden(url)}: {error}; install what speaks to it: uv pip install '{package}'"
        ) from None
    except (SQLAlchemyError, StorageInternalError) as error:
        raise UserError(
            f"storage={_hidden(url)}: cannot be opened: {reason(error)}; start it, or mend the address"
        ) from None


def _made_once(url: str, options: dict[str, Any]) -> BaseStorage:
    """Where several come first at once, one makes the tables and the others see that they are there."""
    for _ in range(5):
        try:
            return LightDatabase(url, options)
        except SQLAlchemyError as error:
            if "already exists" not in str(error) and "UNIQUE" not in str(error) and "uplicate" not in str(error):
                raise
            time.sleep(0.5)
    return LightDatabase(url, options)


def _hidden(url: str) -> str:
    """Without its password."""
    with contextlib.suppress(ArgumentError):
        return make_url(url).render_as_string(hide_password=True)
    return url


def reason(error: BaseException) -> str:
    cause = error.__cause__ or error
    said = str(getattr(cause, "orig", None) or cause) or type(cause).__name__
    return " ".join(said.split("\n")[0].split())


def patiently(action: Callable[[], Answer], patience: float = PATIENCE) -> Answer:
    """What ``action`` gives; while the storage is away it is tried again, and said so once."""
    deadline, wait, told = time.monotonic() + patience, 0.2, False
    while True:
        try:
            answer = action()
        except (StorageInternalError, SQLAlchemyError, OSError) as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"the study's storage has been away for {patience:.0f} s ({reason(error)}); bring it back, then "
                    "go on by the same command: nothing is lost"
                ) from None
            if not told and wait > 1:
                log.info("the study's storage does not answer (%s); trying again for %.0f s", reason(error), patience)
                told = True
            time.sleep(wait)
            wait = min(wait * 2, 5.0)
        else:
            if told:
                log.info("the study's storage is back")
            return answer


@contextlib.contextmanager
def no_patience() -> Iterator[None]:
    """What fails in the block because the storage is away is let go."""
    with contextlib.suppress(StorageInternalError, SQLAlchemyError, OSError):
        yield
