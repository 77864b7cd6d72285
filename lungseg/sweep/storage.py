"""Where the state of a study lies: a journal in its folder, or a database. Both may be away for a while."""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import get_lock_file
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from lungseg.errors import UserError

Answer = TypeVar("Answer")

log = logging.getLogger("lungseg")

JOURNAL = "journal.log"
PATIENCE = 300.0  # seconds for which a storage may be away
DRIVERS = {"postgresql": "lungseg[postgresql]", "mysql": "lungseg[mysql]"}

optuna.logging.set_verbosity(optuna.logging.ERROR)


class SafeJournal(JournalFileBackend):
    """Never begun anew where its file has gone, and never left with half a line by a full disk or a kill."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if not os.path.exists(self._file_path):
            raise FileNotFoundError(self._file_path)
        with get_lock_file(self._lock):
            self._drop_half_a_line()
        before = os.path.getsize(self._file_path)
        try:
            super().append_logs(logs)
        except OSError:
            with contextlib.suppress(OSError), get_lock_file(self._lock):
                self._drop_half_a_line(before)
            raise

    def _drop_half_a_line(self, least: int = 0) -> None:
        """Whatever follows the last line end; a whole line of somebody else is kept."""
        with open(self._file_path, "rb+") as file:
            end = file.seek(0, os.SEEK_END)
            start = max(end - 65536, 0)
            file.seek(start)
            tail = file.read()
            if tail and not tail.endswith(b"\n"):
                file.truncate(max(start + tail.rfind(b"\n") + 1, 0))


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
        kind = make_url(url).get_backend_name()
        options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 2}
        return _made_once(url, {"connect_args": {"timeout": 60}} if kind == "sqlite" else options)
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
            return RDBStorage(url, engine_kwargs=options)
        except SQLAlchemyError as error:
            if "already exists" not in str(error) and "UNIQUE" not in str(error) and "uplicate" not in str(error):
                raise
            time.sleep(0.5)
    return RDBStorage(url, engine_kwargs=options)


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
