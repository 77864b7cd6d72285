"""Reads the table beside a folder of images: whose each is, of which class and on which side."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import DataError
from lungseg.data.attributes import PREFIX
from lungseg.data.io.csv_table import FALLBACK, TextTable, read_text_table
from lungseg.data.sources.issues import Problem
from lungseg.data.sources.mask_matching import stem

COLUMNS = {
    "file": ("file", "filename", "image", "id"),
    "patient": ("patient", "patient_id", "patientid"),
    "class": ("class", "label", "finding"),
    "split": ("split", "fold", "subset"),
}
UNKNOWN = {  # a cell that names nobody, without its punctuation
    *("", "na", "nan", "nat", "none", "null", "nil", "unknown", "unk", "missing", "notavailable", "notknown"),
}
SUBJECT = re.compile(r"patient|subject|person|proband|mrn", re.IGNORECASE)  # a column that may well name patients,
TRAIT = re.compile(
    r"age|sex|gender|weight|height|size|position|birth|race|ethnic", re.IGNORECASE
)  # unless it says this


@dataclass(frozen=True)
class Metadata:
    """Holds a row for each file's ``key_of``, with the columns that are understood under our own names."""

    path: Path | None = None
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    names_patients: bool = False
    passed_over: tuple[str, ...] = ()  # columns
    further: dict[str, dict[str, str]] = field(default_factory=dict)  # a row's cells in those; "" where two rows differ
    problems: tuple[Problem, ...] = ()


def is_unknown(row: Mapping[str, str]) -> bool:
    """Returns whether a row's patient is empty or one of the words for nobody, however written (``N/A``, ``-``)."""
    return is_nobody(row["patient"])


def is_nobody(cell: str) -> bool:
    """Returns whether a cell says that something is not known."""
    return re.sub(r"[\W_]", "", cell).lower() in UNKNOWN


def read_metadata(path: Path, columns: Mapping[str, str]) -> Metadata:
    """Reads the columns that are understood; two rows of a file must agree."""
    table = read_text_table(path)
    header = {name.lower(): name for name in table.columns if name}
    names = {ours: _column(path, ours, columns, header) for ours in COLUMNS}
    if names["file"] is None:
        raise DataError(
            f"{path}: has the columns {', '.join(header)}; expected one called {', '.join(COLUMNS['file'])}, "
            "or data.columns={file: <its name>}"
        )
    passed_over = tuple(name for name in header.values() if name not in names.values())
    rows: dict[str, dict[str, str]] = {}
    further: dict[str, dict[str, str]] = {}
    for line in table.rows:
        row = {ours: line.cells[name] for ours, name in names.items() if name}
        if not row["file"]:
            raise DataError(f"{path}: line {line.line} names no file; fill in the column {names['file']}")
        if rows.setdefault(key_of(row["file"]), row) != row:
            raise DataError(
                f"{path}: line {line.line} says something else of {row['file']} than a line before; keep one"
            )
        cells = {name: line.cells[name] for name in passed_over}
        before = further.setdefault(key_of(row["file"]), cells)
        further[key_of(row["file"])] = {name: cell if before[name] == cell else "" for name, cell in cells.items()}
    problems = (*_encoding(table), *_patients_but_for_capitals(path, rows))
    return Metadata(path, rows, names["patient"] is not None, passed_over, further, problems)


def require_known_columns(columns: Mapping[str, str] | None, path: Path | None, folder: Path) -> None:
    """Refuses a mapping of which a part would be passed over: a misspelt ``patient`` would split by image."""
    if columns is None:
        return
    if not isinstance(columns, Mapping):
        raise DataError(f"data.columns={columns}: expected our names and yours, as in {{patient: subject_number}}")
    for name in columns:
        if name not in COLUMNS and not str(name).startswith(PREFIX):
            raise DataError(
                f"data.columns.{name}: no such column; expected {', '.join(COLUMNS)}"
                f"{suggestion(str(name), list(COLUMNS))}"
            )
    if columns and path is None:
        raise DataError(
            f"data.columns: {folder} has no metadata.csv whose columns could be named; put it there, or leave "
            "data.columns out"
        )


def _patients_but_for_capitals(path: Path, rows: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Tells of patients whose names differ in capitals alone, which count as different ones."""
    names: dict[str, set[str]] = defaultdict(set)
    for row in rows.values():
        names[row.get("patient", "").casefold()].add(row.get("patient", ""))
    for alike in names.values():
        if len(alike) > 1:
            names_alike = " and ".join(sorted(alike))
            said = f"names the patients {names_alike}, which count as different; if they are one, write one"
            yield Problem("patients alike", path, said, harm=False)


def _encoding(table: TextTable) -> tuple[Problem, ...]:
    if table.encoding != FALLBACK:
        return ()
    said = f"is not UTF-8 and was read as {FALLBACK}; save it as UTF-8 if letters in it come out wrong"
    return (Problem("encoding", table.path, said, harm=False),)


def require_no_subject(metadata: Metadata) -> None:
    """Refuses to pass over a column that seems to name patients without a word."""
    likely = [name for name in metadata.passed_over if SUBJECT.search(name) and not TRAIT.search(name)]
    if likely:
        raise DataError(
            f"{metadata.path}: its column {likely[0]!r} may name the patients, and none is called "
            f"{' or '.join(COLUMNS['patient'])}; say data.columns={{patient: {likely[0]}}}, or choose "
            "data.unknown_patients=image, which makes each image a patient of its own"
        )


def key_of(name: str) -> str:
    """Returns the key of a file in the table, with or without its ending and folder, in capitals or not."""
    return stem(Path(name.strip())).lower()


def _column(path: Path, ours: str, columns: Mapping[str, str], header: Mapping[str, str]) -> str | None:
    """Returns the column that is called as we or ``data.columns`` say; ``Patient ID`` is ``patient_id``."""
    if ours in columns and str(columns[ours]).strip().lower() not in header:
        raise DataError(f"{path}: data.columns.{ours}={columns[ours]}: no such column; there are {', '.join(header)}")
    if ours in columns:
        return header[str(columns[ours]).strip().lower()]
    simple = {original: re.sub(r"[\W_]+", "_", name) for name, original in header.items()}
    fitting = [original for name in COLUMNS[ours] for original in simple if simple[original] == name]
    if ours == "patient" and len(fitting) > 1:
        raise DataError(
            f"{path}: has the columns {' and '.join(fitting)}, and either may name the patients; say which by "
            f"data.columns={{patient: {fitting[0]}}}"
        )
    return fitting[0] if fitting else None
