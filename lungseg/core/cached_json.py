"""Reads what lungseg itself keeps in its cache folder: what is damaged is made again."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lungseg.core.security.safe_json import parse_json, read_plain_file

Content = TypeVar("Content")

log = logging.getLogger("lungseg")

LARGEST = 2**30  # bytes; lungseg wrote it


def read_cached(path: Path, convert: Callable[[Any], Content]) -> Content | None:
    """Returns what ``convert`` makes of a file's JSON; None where there is no such file, or a damaged one."""
    if not path.exists():
        return None
    try:
        return convert(parse_json(read_plain_file(path, LARGEST)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.info("%s: is damaged (%s) and is made again", path, " ".join(str(error).split())[:200])
        return None
