"""Files that are whole or not there: a kill or a full disk leaves the older one as it was."""

import contextlib
import errno
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def write_json(path: Path, content: Any) -> None:
    """NaN and infinity become null: JSON has no other word for them."""
    write_atomically(path, json.dumps(_finite(content), indent=1) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_atomically(path: Path, text: str) -> None:
    """All of the text or the file as it was."""
    with replaced(path) as partial:
        partial.write_text(text, encoding="utf-8")
