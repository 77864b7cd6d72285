"""Reads JSON that may be damaged or a stranger's: a refusal is one line that names the file."""

import json
import math
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError

LARGEST = 64 * 2**20  # bytes; the splits of a million cases fit
DEEPEST = 64  # levels of brackets; what lungseg writes has fewer than ten

KINDS: Mapping[type, str] = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number"}


def read_json(path: Path, remedy: str, largest: int = LARGEST) -> Any:
    """Reads a whole file; ``remedy`` ends the message where it cannot be."""
    try:
        return parse_json(read_plain_file(path, largest))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from None
    except ValueError as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split())[:200]}); {remedy}") from None


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """Reads a file that must hold one JSON object."""
    content = read_json(path, remedy)
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds {described(content)}; expected an object, {{...}}; {remedy}")
    return content


def read_plain_file(path: Path, largest: int = LARGEST) -> bytes:
    """Reads a file's bytes; OSError or ValueError where it is a folder, a device or a pipe, or too large."""
    there = path.stat()
    if not stat.S_ISREG(there.st_mode):
        raise ValueError("it is a folder" if stat.S_ISDIR(there.st_mode) else "it is no plain file")
    if there.st_size > largest:
        raise ValueError(f"it has {there.st_size:,} bytes; expected at most {largest:,}")
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"it has more than {largest:,} bytes")
    return content


def parse_json(content: bytes) -> Any:
    """Parses what every JSON reader understands alike; ValueError where that is not so."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from None
    if not text.strip():
        raise ValueError("it is empty")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_number)
    except RecursionError:
        raise ValueError(f"brackets are nested more than {DEEPEST} deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    _require_shallow(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:40]!r} is there twice")
    return content


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is beyond every number")
    return value


def _require_shallow(value: Any) -> None:
    """Refuses depth without recursion, so that no later reader runs into its limit."""
    level = [value]
    for _ in range(DEEPEST):
        inner = [one for one in level if isinstance(one, dict | list)]
        if not inner:
            return
        level = [item for one in inner for item in (one.values() if isinstance(one, dict) else one)]
    if any(isinstance(one, dict | list) for one in level):
        raise ValueError(f"brackets are nested more than {DEEPEST} deep")


def described(value: Any) -> str:
    """Names a JSON value in a message, shortened."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def is_kind(value: Any, kind: type | tuple[type, ...]) -> bool:
    """Tells whether a JSON value is of a Python type; true and false are no numbers, a whole number is a number."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int):  # one that is larger than any of the page's or NumPy's is none
        return (int in kinds or float in kinds) and abs(value) < 2**63
    return isinstance(value, kinds)
