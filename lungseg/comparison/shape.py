"""Of a JSON file: what is expected where; a ``ValueError`` says what is not so."""

import math
from typing import Any

NAMES: dict[Any, str] = {dict: "object", list: "list", int: "whole number"}


def list_of(content: Any, key: str, kind: Any) -> list[Any]:
    found: list[Any] = get(content, key, list)
    require(all(is_a(one, kind) for one in found), f"{key}: one is no {NAMES.get(kind, 'number')}")
    return found


def get(content: Any, key: str, kind: Any) -> Any:
    """What may be null may also be absent."""
    require(isinstance(content, dict), "expected an object")
    value = content.get(key)
    require(is_a(value, kind), f"{key}: {'is missing' if key not in content else f'not {str(value)[:40]!r}'}")
    return value


def is_a(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def finite(value: Any, what: str) -> float:
    """Whole numbers are kept whole."""
    try:
        if is_a(value, int | float) and math.isfinite(value):
            return float(value) if isinstance(value, float) else int(value)
    except OverflowError:  # a whole number beyond all floats
        pass
    raise ValueError(f"{what}: {str(value)[:40]!r} is no finite number")


def require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
