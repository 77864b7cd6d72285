"""Lets one process at a time read, change and write a file."""

import contextlib
import errno
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from lungseg.core.errors import UserError
from lungseg.core.write_errors import refusal

try:
    import fcntl
except ImportError:  # Windows: no locks, as before there were any
    fcntl = None  # type: ignore[assignment]

PATIENCE = 60.0  # seconds that another process has to finish what takes milliseconds
HELD = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)


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
    if fcntl is None:
        return True
    try:
        named = os.stat(lock)
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)


def lock_now(descriptor: int) -> bool:
    """Locks an open file until it is closed; False where another process holds it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD
    return True


def is_free(path: Path) -> bool:
    """Tells whether surely nobody holds the file's lock; False where locks are not known."""
    if fcntl is None:
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
