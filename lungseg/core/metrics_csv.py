"""Reads ``metrics.csv``, also where it is damaged or a stranger's."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import read_plain_file
from lungseg.core.text_tables import read_table


def read_metrics(path: Path, numbered: Sequence[str] = ("epoch",)) -> list[dict[str, Any]]:
    """Reads the rows of ``metrics.csv``; what is no number is refused, in ``numbered`` what is no whole one."""
    line = 1
    try:
        rows: list[dict[str, Any]] = []
        for row in read_table(io.StringIO(read_plain_file(path).decode(), newline="")):
            line += 1
            if None in row or None in row.values():  # more cells than names, or fewer
                raise ValueError(f"line {line} does not fit its header")
            _require_numbers(row, line, numbered)
            rows.append(row)
    except (OSError, ValueError, KeyError, csv.Error) as error:
        said = (
            f"line {line} has no {error}" if isinstance(error, KeyError) else getattr(error, "strerror", None) or error
        )
        raise UserError(
            f"{path}: cannot be read ({said}); restore it, or remove it to go on without what was measured before"
        ) from None
    return rows


def _require_numbers(row: dict[str, Any], line: int, numbered: Sequence[str]) -> None:
    for name in numbered:
        if not re.fullmatch(r"\d{1,15}", row[name], re.ASCII):
            raise ValueError(f"line {line}: {name} is {row[name][:40]!a}")
    for name, text in row.items():
        try:
            float(text or "nan")
        except ValueError:
            raise ValueError(f"line {line}: {name!a} is {text[:40]!a}") from None
