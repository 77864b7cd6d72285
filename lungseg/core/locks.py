"""Lets one process at a time read, change and write a file."""

import contextlib
import errno
import importlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.write_errors import refusal

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]
try:
    msvcrt: Any = importlib.import_module("msvcrt")  # of Windows
except ImportError:
    msvcrt = None

FAR = 2**31 - 2  # the byte that is locked on Windows, where locked bytes cannot be read: behind the end of every file
PATIENCE = 60.0  # seconds that another process has to finish what takes milliseconds
HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of ``path``, a file beside it that is gone afterwards; it falls with its process.

    A file system that knows no locks is gone on with without.
    """
    lock = path.with_name(f".lock-{path.name}"[:255])
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(lock)
    except OSError as error:
        raise refusal(path, error, "free space or choose another place") from None
    if descriptor is None:
        raise UserError(
            f"{path}: another process has been changing it for {PATIENCE:.0f} s; end that one, then repeat the command"
        )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(lock)  # before it is let go, so that nobody can hold a file that has no name any more
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _acquire(lock: Path) -> int | None:
    """Opens and locks the file; None where another process holds it for too long."""
    deadline, pause = time.monotonic() + PATIENCE, 0.0005
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            if lock_now(descriptor) and _is_still(lock, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            return None
        time.sleep(random.uniform(0.5, 1.5) * pause)
        pause = min(pause * 1.5, 0.02)


def _is_still(lock: Path, descriptor: int) -> bool:
    """Tells whether the name still leads to the locked file; its former holder may have removed it meanwhile."""
    try:
        named = os.stat(lock)
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)


def lock_now(descriptor: int, where_unknown: bool = True) -> bool:
    """Locks an open file until it is closed; False where another process holds it.

    ``where_unknown``: the answer on a file system that has no locks.
    """
    try:
        _lock(descriptor)
    except OSError as error:
        return error.errno not in HELD and where_unknown
    return True


def lock_patiently(descriptor: int) -> None:
    """Locks an open file until it is closed, however long another process holds it."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    while not lock_now(descriptor):
        time.sleep(0.05)


def is_free(path: Path) -> bool:
    """Tells whether surely nobody holds the file's lock."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        return lock_now(descriptor, where_unknown=False)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Raises OSError where another process holds it, or the file system has no locks."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    if msvcrt is None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, FAR, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
