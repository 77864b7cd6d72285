"""Where the state of a study lies: a journal in its folder, or a database. Both may be away for a while."""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from lungseg.core.errors import UserError
from lungseg.sweep.state.journal import CheckedJournalStorage, SafeJournal

Answer = TypeVar("Answer")

log = logging.getLogger("lungseg")

JOURNAL = "journal.log"
PATIENCE = 300.0  # seconds for which a storage may be away
DRIVERS = {"postgresql": "lungseg[postgresql]", "mysql": "lungseg[mysql]"}
SPEAKING = {
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
}  # what these bring, where an address is short

optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """``url`` None: the journal in ``folder``. A database that cannot be reached now is an error at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's journal calls itself experimental
        if url is None:
            folder.mkdir(parents=True, exist_ok=True)
            return CheckedJournalStorage(SafeJournal(str(folder / JOURNAL)))
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
            f"storage={without_password(url)}: is no database's address; expected sqlite:///FILE, "
            "postgresql://USER@HOST/NAME or mysql+pymysql://USER@HOST/NAME, or null for a journal in the study's folder"
        ) from None
    except (ImportError, NoSuchModuleError) as error:
        package = DRIVERS.get(url.partition(":")[0].partition("+")[0], "its driver")
        raise UserError(
            f"storage={without_password(url)}: {error}; install what speaks to it: uv pip install '{package}'"
        ) from None
    except (SQLAlchemyError, StorageInternalError) as error:
        raise UserError(
            f"storage={without_password(url)}: cannot be opened: {reason(error)}; start it, or mend the address"
        ) from None


def _made_once(url: str, options: dict[str, Any]) -> BaseStorage:
    """Where several come first at once, one makes the tables and the others see that they are there."""
    for _ in range(5):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except SQLAlchemyError:
            if not _are_being_made(url, options):
                raise
            time.sleep(0.5)
    return RDBStorage(url, engine_kwargs=options)


def _are_being_made(url: str, options: dict[str, Any]) -> bool:
    """Tells whether the tables are there, or one of them, since another process came first."""
    engine = create_engine(url, **options)
    try:
        return bool(inspect(engine).get_table_names())
    except SQLAlchemyError:
        return False  # the database itself is away
    finally:
        engine.dispose()


def without_password(url: str) -> str:
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
