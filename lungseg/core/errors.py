"""Says what can go wrong as types: a program decides by an error's class and fields, never by its text."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from lungseg.core import exit_codes


class FailureKind(StrEnum):
    """Lists why a run may have failed, as ``failure.json`` of its directory says it."""

    USAGE = "usage"
    DATA = "data"
    WEIGHTS_MISSING = "weights missing"
    CHECKPOINT = "checkpoint"
    OUT_OF_MEMORY = "out of memory"
    DISK_FULL = "disk full"
    LOADER_DIED = "loading process died"
    RANK_LOST = "rank lost"
    STOPPED = "stopped"
    PRUNED = "pruned"
    KILLED = "killed"  # never written: a process that was killed leaves no file
    MENDABLE = "mendable"  # anything else that the user can mend
    UNEXPECTED = "unexpected"  # an error that nobody foresaw; its traceback is in the output


class UserError(Exception):
    """Says what the user can mend: one line that names the thing, what was found, what was expected, what to do.

    The programs print it without a traceback and exit with ``exit_code``.
    """

    exit_code = exit_codes.MENDABLE
    kind = FailureKind.MENDABLE


class UsageError(UserError):
    """Says that a command line cannot be understood."""

    exit_code = exit_codes.USAGE
    kind = FailureKind.USAGE


class UnknownKeyError(UsageError):
    """Says that the config does not have a key."""

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class MissingValueError(UsageError):
    """Says that a key needs a value."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: a value is needed; add {key}=...")
        self.key = key

    def __reduce__(self) -> tuple[object, ...]:
        return MissingValueError, (self.key,)


class DataError(UserError):
    """Says that images, masks, tables or splits cannot be used as they are."""

    kind = FailureKind.DATA


class CheckpointError(UserError):
    """Says that a checkpoint cannot be read, or not be gone on from."""

    kind = FailureKind.CHECKPOINT


class WeightsMissingError(UserError):
    """Says that published weights are neither here nor to be fetched."""

    kind = FailureKind.WEIGHTS_MISSING

    def __init__(self, message: str, encoder: str = "") -> None:
        super().__init__(message)
        self.encoder = encoder


class OutOfMemoryError(UserError):
    """Says that the memory of the device or of the machine does not suffice for a batch."""

    kind = FailureKind.OUT_OF_MEMORY

    def __init__(self, message: str, batch_size: int = 0, on_gpu: bool = False) -> None:
        super().__init__(message)
        self.batch_size, self.on_gpu = batch_size, on_gpu


class DiskFullError(UserError):
    """Says that a file could not be written for lack of space or quota."""

    kind = FailureKind.DISK_FULL

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


class PartlyDoneError(UserError):
    """Says that of several runs or trials some are finished, and ``failed`` are not."""

    exit_code = exit_codes.PARTLY_DONE

    def __init__(self, message: str, failed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.failed = list(failed)


class Stopped(UserError):  # noqa: N818
    """Says that a signal came: the state is saved, the message says how to go on."""

    kind = FailureKind.STOPPED

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal = signal_number
        self.exit_code = exit_codes.of_signal(signal_number)

    def __reduce__(self) -> tuple[object, ...]:
        return Stopped, (str(self), self.signal)  # from a job that was started elsewhere


class Pruned(UserError):  # noqa: N818
    """Says that the search that a run belongs to has told it to give up."""

    exit_code = exit_codes.PRUNED
    kind = FailureKind.PRUNED
