"""Writes files whole or not at all: after a kill, a full disk or a power cut the older one is as it was."""

import contextlib
import errno
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lungseg.core.locks import is_free, lock_now
from lungseg.core.write_errors import refusal

LEFTOVER = re.compile(r"\.partial-\d+-[0-9a-f]{8}(\.\w{1,16})?")
STALE = 60.0  # seconds after which an unlocked partial file is taken for that of a killed process
NO_FOLDER_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES, errno.EISDIR, errno.EPERM)

_cleaned: set[str] = set()  # folders in which this process has removed the leftovers of others


@contextlib.contextmanager
def replaced(path: Path, then: str = "free space or choose another place", lasting: bool = True) -> Iterator[Path]:
    """Yields a path of one's own beside ``path``, with its ending, whose file takes the place of ``path`` afterwards.

    The content reaches the disk before the name does, so that a power cut leaves the older file or the new one; this
    takes milliseconds, and what can be drawn again is not ``lasting`` and does without. A
    link to a file of the same folder is followed; one that leads elsewhere is replaced, since a run directory may be
    a stranger's.
    """
    try:
        target = _target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial, descriptor = _open_partial(target)
    except OSError as error:
        raise refusal(path, error, then) from None
    try:
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, descriptor)
            _remove_leftovers(target.parent, partial)
            yield partial
            _keep_mode(target, partial, descriptor)
            if lasting:
                os.fsync(descriptor)
        os.replace(partial, target)
        if lasting:
            _sync_folder(target.parent)
    except OSError as error:
        raise refusal(path, error, then) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(partial)


def _target(path: Path) -> Path:
    """Follows a link within its own folder; refuses what is there and no plain file."""
    target = path
    if path.is_symlink():
        resolved = Path(os.path.realpath(path))
        if resolved.is_relative_to(os.path.realpath(path.parent)) and not resolved.is_symlink():
            target = resolved
    with contextlib.suppress(FileNotFoundError):
        mode = target.lstat().st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise OSError(errno.EINVAL, "there is a device or a pipe of that name")
    return target


def _open_partial(target: Path) -> tuple[Path, int]:
    """Makes an empty file with the mode that a new file has, and locks it as long as it is open."""
    ending = target.suffix if re.fullmatch(r"\.\w{1,16}", target.suffix, re.ASCII) else ""
    partial = target.with_name(f".partial-{os.getpid()}-{secrets.token_hex(4)}{ending}")
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    lock_now(descriptor)
    return partial, descriptor


def _keep_mode(target: Path, partial: Path, descriptor: int) -> None:
    """Gives the new file the older one's permissions, as writing into that would."""
    with contextlib.suppress(FileNotFoundError):
        there = target.lstat()
        if stat.S_ISREG(there.st_mode) and stat.S_IMODE(there.st_mode) != stat.S_IMODE(os.fstat(descriptor).st_mode):
            os.chmod(descriptor if os.chmod in os.supports_fd else partial, stat.S_IMODE(there.st_mode))


def _sync_folder(folder: Path) -> None:
    """Makes a rename last; systems that cannot sync a folder keep it by themselves."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in NO_FOLDER_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path, own: Path) -> None:
    """Removes what killed processes have left half-written in ``folder``; looked for once by each process."""
    if str(folder) in _cleaned:
        return
    _cleaned.add(str(folder))
    with contextlib.suppress(OSError):
        now = own.stat().st_mtime  # by the file server's clock
        for entry in list(os.scandir(folder)):
            if LEFTOVER.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if now - entry.stat(follow_symlinks=False).st_mtime > STALE and is_free(Path(entry.path)):
                        os.unlink(entry.path)


def write_json(path: Path, content: Any) -> None:
    """Writes NaN and infinity as null: JSON has no other word for them."""
    write_atomically(path, json.dumps(_finite(content), indent=1) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_atomically(path: Path, text: str) -> None:
    """Writes all of the text or leaves the file as it was."""
    with replaced(path) as partial:
        partial.write_text(text, encoding="utf-8")
