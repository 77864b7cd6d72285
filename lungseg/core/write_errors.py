"""Says why a file could not be written."""

import errno
from pathlib import Path

from lungseg.core.errors import DiskFullError, UserError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def refusal(path: Path, error: OSError, then: str, what: str = "") -> UserError:
    """Returns the error for ``path``; ``then``: what its user can do; ``what`` it is, where its name does not say."""
    if error.errno in NO_SPACE:
        return DiskFullError(f"{path}: {what}cannot be written: the disk is full; {then}", path)
    return UserError(f"{path}: {what}cannot be written: {error.strerror or error}; {then}")
