"""Refuses folders in which lungseg would write through a link, or wait at a pipe, that somebody else put there."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lungseg.core.errors import UserError

DEEPEST = 5  # folders within a run
OWN_LINKS = "wandb"  # W&B links its logs to a cache of its own, and makes these links anew


def require_no_links_out(folder: Path, deepest: int = DEEPEST) -> None:
    """Refuses links that lead out of ``folder``, pipes and devices: a log would be added to whatever they lead to."""
    home = folder.resolve()
    for path in _entries(folder, deepest):
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind):
            target = Path(os.path.realpath(path))
            if not target.is_relative_to(home):
                raise UserError(
                    f"{path}: is a link that leads out of its folder, to {target}; lungseg writes here: put the file "
                    "in its place, or remove it"
                )
        elif not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise UserError(f"{path}: is no plain file and no folder; remove it")


def _entries(folder: Path, deepest: int) -> Iterator[Path]:
    """Yields what lies in a folder and, where it is no link, in the folders within."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # what cannot be read is said by whoever needs it
    for entry in entries:
        yield Path(entry.path)
        if deepest > 1 and entry.name != OWN_LINKS and entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path), deepest - 1)
