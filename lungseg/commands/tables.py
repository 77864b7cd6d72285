"""Tables as text and as CSV, and a case's file as it is told."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lungseg.data.case import Case, files
from lungseg.files import write_atomically


def write_table(rows: Sequence[Mapping[str, Any]], path: Path, columns: Sequence[str] = ()) -> None:
    """A CSV of all columns that any row has; ``columns`` where there is no row to tell them."""
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first row being the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def path_of(case: Case) -> str:
    """Its image's file, or its id where the image is computed."""
    return " ".join(str(path) for path in files(case.image)) or case.id
