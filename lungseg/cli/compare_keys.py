"""Reads the keys of ``lungseg compare`` as they were typed."""

import math
from collections.abc import Mapping, Sequence

from lungseg.cli.key_value import put
from lungseg.comparison.render.thumbnails import BUDGET
from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError

KEYS = ("out", "evaluation", "threshold", "weight", "by", "common", "title", "pictures")


def values_of(words: Sequence[str]) -> dict[str, str]:
    """Returns each key's value; a key that is unknown, empty or given twice is refused."""
    values: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in KEYS:
            what = f"{word}: no such directory, and" if "/" in word else f"{key}:"
            raise UsageError(f"{what} compare takes {', '.join(f'{n}=' for n in KEYS)}{suggestion(key, list(KEYS))}")
        put(values, key, value)
    return values


def megabytes(text: str) -> float:
    try:
        value = math.inf if text == "all" else float(text)
    except ValueError:
        value = -1
    if not value >= 0:
        raise UsageError(f"pictures={text}: expected megabytes, for example pictures={BUDGET}, or all")
    return value


def one_of(values: Mapping[str, str], key: str, known: Sequence[str]) -> str:
    """The first is the default."""
    value = values.get(key, known[0])
    if value not in known:
        raise UsageError(f"{key}={value}: expected {' or '.join(known)}")
    return value
