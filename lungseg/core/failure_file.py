"""Writes and reads ``failure.json``: why a run failed, for its user and for the program that started it."""

import contextlib
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lungseg.core import exit_codes, rank_environment
from lungseg.core.atomic_io import write_json
from lungseg.core.errors import FailureKind, UserError
from lungseg.core.parent_death import FAILURE_WANTED
from lungseg.core.run_directory import FAILURE
from lungseg.core.security.safe_json import read_object
from lungseg.core.signals import Interrupted
from lungseg.core.write_errors import NO_SPACE


class Failure(BaseModel):
    """Holds why a run failed."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    kind: FailureKind
    message: str
    exit_code: int


def failure_of(error: BaseException) -> Failure:
    """Returns what is to be kept of an error; one that is no ``UserError`` is told by its class and its number."""
    if isinstance(error, UserError):
        return Failure(kind=error.kind, message=str(error), exit_code=error.exit_code)
    if isinstance(error, KeyboardInterrupt | Interrupted):
        number = error.number if isinstance(error, Interrupted) else 2
        return Failure(kind=FailureKind.STOPPED, message="stopped", exit_code=exit_codes.of_signal(number))
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        place = f"{error.filename}: " if error.filename else ""
        return Failure(kind=FailureKind.DISK_FULL, message=f"{place}the disk is full", exit_code=exit_codes.MENDABLE)
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return Failure(kind=FailureKind.UNEXPECTED, message=said, exit_code=exit_codes.MENDABLE)


def write_failure(run_dir: Path, error: BaseException) -> None:
    """Writes why a run failed into its directory, if that is there; a full disk is passed over: it is told already."""
    if run_dir.is_dir():
        with contextlib.suppress(UserError):
            write_json(run_dir / FAILURE, failure_of(error).model_dump())


def report_failure(error: BaseException) -> None:
    """Writes it where the program that started this one looks for it; a run that failed early has no directory yet."""
    wanted = os.environ.get(FAILURE_WANTED)
    if wanted and rank_environment.place().rank == 0:
        with contextlib.suppress(OSError):
            Path(wanted).mkdir(parents=True, exist_ok=True)
        write_failure(Path(wanted), error)


def read_failure(run_dir: Path) -> Failure | None:
    """Returns why a run failed; None where it says nothing that can be read, as after a kill."""
    path = run_dir / FAILURE
    if not path.is_file():
        return None
    try:
        return Failure.model_validate(read_object(path, "remove it"))
    except (UserError, ValidationError):
        return None


def forget_failure(run_dir: Path) -> None:
    """Removes what an earlier attempt has left."""
    with contextlib.suppress(OSError):
        (run_dir / FAILURE).unlink(missing_ok=True)
