"""Reads the attributes in a table of cases, which may be a stranger's: few, of short names, of short texts."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.data.attributes import LONGEST, MOST, PREFIX, is_name
from lungseg.evaluation.columns import columns

AFTER = "image"  # the column behind which they stand


def read_attributes(
    path: Path, rows: Sequence[Mapping[str, str]], summary: Mapping[str, Any], again: str
) -> dict[str, list[str]]:
    """Returns name -> value of each row; ``again`` says how a table that cannot be is made anew."""
    scores = {column.header(region) for region in summary["regions"] for column in columns(summary)}
    headers = list(rows[0])
    behind = headers[headers.index(AFTER) + 1 :]
    theirs = takewhile(lambda name: name.startswith(PREFIX) and name not in scores, behind)
    found = {name.removeprefix(PREFIX): name for name in theirs}
    unfit = next((name for name in found if not is_name(name)), None)
    if unfit is not None:
        raise UserError(f"{path}: no attribute can be called {unfit[:LONGEST]!r}; {again}")
    if len(found) > MOST:
        raise UserError(f"{path}: has {len(found)} attributes; expected at most {MOST}; {again}")
    for column in found.values():
        number = next((n for n, row in enumerate(rows, start=2) if len(row[column]) > LONGEST), None)
        if number is not None:
            raise UserError(f"{path}: line {number} has a text of more than {LONGEST} letters as its {column}; {again}")
    return {name: [row[column] for row in rows] for name, column in found.items()}
