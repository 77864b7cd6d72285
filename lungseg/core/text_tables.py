"""Tables as text and as CSV."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lungseg.core.atomic_io import write_atomically
from lungseg.core.security.printable_text import one_line

FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # what a spreadsheet would work out, or was escaped
SIGNS = ("-", "+", "=", "@")  # alone they are no formula
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


def write_table(rows: Sequence[Mapping[str, Any]], path: Path, columns: Sequence[str] = ()) -> None:
    """A CSV of ``columns`` and of all others that any row has; None and what a row lacks are empty fields."""
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    write_atomically(path, csv_text(rows, names))


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Write text that a spreadsheet would take for a formula behind an apostrophe; ``read_table`` takes it away."""
    text = io.StringIO()
    plain, quoted = csv.writer(text, lineterminator="\n"), csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        cells = [escaped(row.get(name, "")) for name in columns]
        split = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (quoted if split else plain).writerow(cells)  # csv itself quotes no carriage return before Python 3.13
    return text.getvalue()


def read_table(lines: Iterable[str]) -> list[dict[str, str]]:
    """Read what ``csv_text`` wrote, from a file opened with ``newline=""``.

    A line that is too long has a key None, one that is too short values None, as ``csv.DictReader`` has them.
    """
    return [
        {name and unescaped(name): unescaped(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
        for row in csv.DictReader(lines)
    ]


def escaped(cell: Any) -> Any:
    """Text that begins as a formula does gets an apostrophe; a number, in text too, and a sign alone get none."""
    if not isinstance(cell, str):
        return cell
    cell = cell.encode("utf-8", "backslashreplace").decode()  # half a character, of a name that is not UTF-8
    is_formula = FORMULA.match(cell) and cell not in SIGNS and not NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns of equal width, the first row being the header; each cell stays on its line."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
