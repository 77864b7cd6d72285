"""What is kept between runs in the user's cache folder, and the key that files' names, sizes and times give it."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungseg.data.case import Case, MaskFile, Picture, files

DECODING = 2  # how files are read; a change makes everything unused that was kept of their pixels


def cache_folder() -> Path:
    """``$LUNGSEG_CACHE/packs``, by default in the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lungseg"
    return Path(os.environ.get("LUNGSEG_CACHE") or home).expanduser().absolute() / "packs"


def key(cases: Sequence[Case], regions: Sequence[str], *parts: Any) -> str:
    """A hash of ``parts`` and of what the cases' images and masks of ``regions`` are now; a changed file changes it."""
    digest = hashlib.sha256(repr((DECODING, list(regions), parts)).encode())
    for case in cases:
        digest.update(repr([case.id, *map(_state, (case.image, *(case.masks[region] for region in regions)))]).encode())
    return digest.hexdigest()[:24]


def _state(picture: Picture) -> object:
    """Names, sizes and times of its files and how they are read; a computed picture is what it is computed from."""
    stats = [(path.name, path.stat()) for path in files(picture)]
    how = (picture.soft, picture.scaled, picture.labels) if isinstance(picture, MaskFile) else None
    return ([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats], how) if stats else picture
