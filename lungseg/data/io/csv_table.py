"""Reads a CSV that somebody else made, whatever its encoding and separator, or refuses it in one line."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.core.text_tables import unescaped

SEPARATORS = (",", ";", "\t")  # the first of those that are equally frequent
BYTE_ORDER_MARKS = (  # a mark of UTF-32 begins with one of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FALLBACK = "Latin-1"  # every file can be read as it, and different bytes stay different letters


@dataclass(frozen=True)
class Row:
    """Returns the cells of a line by the name of their column, without the white space around them."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class TextTable:
    """``encoding`` is what the file is written in, as a reader would name it."""

    path: Path
    encoding: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_text_table(path: Path) -> TextTable:
    """Read a table of UTF-8, UTF-16 or Latin-1 whose cells are separated by commas, semicolons or tabs."""
    text, encoding = _decoded(path)
    text, separator = _without_hint(text)
    records = _records(path, list(io.StringIO(text, newline="")), separator or _separator(text))
    lines = [(line, [_cell(cell) for cell in cells]) for line, cells in records if any(map(str.strip, cells))]
    if not lines:
        raise DataError(f"{path}: holds no line; expected a header and a row for each image, or no such file")
    columns = _columns(path, lines[0][1])
    return TextTable(path, encoding, columns, tuple(_row(path, line, columns, cells) for line, cells in lines[1:]))


def _decoded(path: Path) -> tuple[str, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); mend that, or remove it") from None
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None)
    encoding = encoding or _without_mark(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8" or b"\0" in content:
            raise DataError(f"{path}: is no whole {encoding.upper()} text; save it again as a CSV in UTF-8") from None
        return content.decode("cp1252" if _is_decodable(content, "cp1252") else "latin-1"), FALLBACK
    if "\0" in text:
        raise DataError(f"{path}: is no text, it holds the character 0; save it as a CSV in UTF-8, not as a workbook")
    return text, encoding.upper().removesuffix("-SIG")


def _without_mark(content: bytes) -> str:
    """UTF-16 without its mark has a zero in every second byte of an ASCII letter."""
    head = content[:1000]
    zeros = (head[0::2].count(0), head[1::2].count(0))
    if max(zeros) > len(head) // 4 and min(zeros) == 0:
        return "utf-16-le" if zeros[1] else "utf-16-be"
    return "utf-8"


def _is_decodable(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _without_hint(text: str) -> tuple[str, str]:
    """Returns the text without the line ``sep=;`` that spreadsheets write, and the separator that it names."""
    first, _, rest = text.partition("\n")
    hint = first.strip("\r\"' ")
    if len(hint) == 5 and hint.lower().startswith("sep=") and hint[4] in SEPARATORS:
        return rest, hint[4]
    return text, ""


def _separator(text: str) -> str:
    lines = text.splitlines()
    counts = Counter(lines[0] if lines else "")
    return max(SEPARATORS, key=lambda separator: counts[separator])


def _records(path: Path, lines: list[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Reads the cells of each record and the number of its last line; a quotation mark left open is refused."""
    reader = csv.reader(lines, delimiter=separator)
    start = 0
    while start < len(lines):
        try:
            cells = next(reader)
            is_open = _is_open(lines[start : reader.line_num], separator, reader.line_num == len(lines))
        except csv.Error as error:
            is_short = len(lines[start]) < csv.field_size_limit()  # so that a cell is too large by the lines after it
            is_open = is_short and _is_open(lines[start : start + 1], separator, is_last=True)
            if not is_open:
                raise DataError(
                    f"{path}: cannot be read as a table ({error}); save it again as a CSV in UTF-8"
                ) from None
        if is_open:
            raise DataError(f"{path}: a quotation mark in line {start + 1} is not closed; close it or remove it")
        yield reader.line_num, cells
        start = reader.line_num


def _is_open(lines: list[str], separator: str, is_last: bool) -> bool:
    """Tells whether a quoted cell of a record goes on into lines, or to the end of the file, where it should not."""
    if len(lines) > 1:
        try:
            list(csv.reader(lines, delimiter=separator, strict=True))
        except csv.Error:
            return True
    followed = [*lines[:-1], lines[-1].rstrip("\r\n") + "\n", "the next record"]
    return is_last and len(list(csv.reader(followed, delimiter=separator))) == 1


def _cell(text: str) -> str:
    """On one line and without what keeps a spreadsheet from taking it for a formula."""
    return " ".join(unescaped(text).split())


def _columns(path: Path, names: list[str]) -> tuple[str, ...]:
    counts = Counter(name.lower() for name in names if name)
    twice = [name for name, number in counts.items() if number > 1]
    if twice:
        raise DataError(f"{path}: has {counts[twice[0]]} columns called {twice[0]}; keep one")
    return tuple(names)


def _row(path: Path, line: int, columns: tuple[str, ...], cells: list[str]) -> Row:
    if any(cells[len(columns) :]):
        raise DataError(
            f"{path}: line {line} has {plural(len(cells), 'cell')}, its header {len(columns)}; "
            'put a cell that holds the separator into double quotes ("a, b")'
        )
    padded = cells + [""] * (len(columns) - len(cells))
    return Row(line, {name: cell for name, cell in zip(columns, padded, strict=False) if name})
