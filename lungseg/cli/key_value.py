"""Reads the words of a command line: KEY=VALUE, and the flags that say the same."""

from collections.abc import Callable, Sequence

from lungseg.core.errors import UsageError

FLAGS = ("-o", "--out")


def with_out_as(key: str, words: Sequence[str], quoted: Callable[[str], str] = str) -> list[str]:
    """Replaces ``-o FOLDER``, ``--out FOLDER`` and ``--out=FOLDER`` by ``key`` and the folder, as ``quoted`` has it."""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, sign, value = word.partition("=")
        if flag not in FLAGS:
            found.append(word)
            continue
        value = value if sign else next(rest, "")
        if not value or value.startswith("-"):
            raise UsageError(f"{flag}: a folder is needed, for example {flag} my_folder")
        earlier = [one.partition("=")[2] for one in [*found, *words] if one.startswith(f"{key}=")]
        if earlier:
            raise UsageError(f"{key}: given twice, {earlier[0]} and {value}; leave one out")
        found.append(f"{key}={quoted(value)}")
    return found


def values_of(words: Sequence[str], example: str) -> dict[str, str]:
    """Splits KEY=VALUE, each key once."""
    values: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            raise UsageError(f"{word}: expected KEY=VALUE, for example {example}")
        put(values, key, value, f" (nothing at all is {key}=null)")
    return values


def put(values: dict[str, str], key: str, value: str, otherwise: str = "") -> None:
    """Adds a key's value; one that is empty or given twice is refused."""
    if key in values:
        raise UsageError(f"{key}: given twice, {values[key]} and {value}; leave one out")
    if not value:
        raise UsageError(f"{key}=: a value is needed, or leave it out{otherwise}")
    values[key] = value
