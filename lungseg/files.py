"""Files that are whole or not there: a kill or a full disk leaves the older one as it was."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from lungseg.errors import UserError


@contextlib.contextmanager
def replaced(path: Path, then: str = "free space or choose another place") -> Iterator[Path]:
    """A path beside ``path``, with its ending, to write to; it takes the place of ``path`` once the block has ended."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise UserError(f"{path}: cannot be written: {reason}; {then}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """All of the text or the file as it was."""
    with replaced(path) as partial:
        partial.write_text(text, encoding="utf-8")
