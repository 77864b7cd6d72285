"""Anyone's data: ``images/`` and any of ``lung_masks/``, ``infection_masks/``, matched by file name.

An optional ``metadata.csv`` or ``cases.csv`` names each file's patient, class and split in columns that ``columns``
may map, as in ``columns: {patient: subject_number}``. Without it each image is a patient of its own, which is said.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.data.case import SPLITS, Case
from lungseg.data.io.csv_table import FALLBACK, TextTable, read_text_table
from lungseg.data.sources.issues import Problem, settle
from lungseg.data.sources.mask_matching import PASSED_OVER, existing, pictures, require_images, stem, strays

log = logging.getLogger("lungseg")

COLUMNS = {
    "file": ("file", "filename", "image", "id"),
    "patient": ("patient", "patient_id", "patientid"),
    "class": ("class", "label", "finding"),
    "split": ("split", "fold", "subset"),
}
SPLIT_WORDS = {"validation": "val", "valid": "val", "training": "train", "testing": "test"}
REGIONS = ("lung", "infection")
UNKNOWN = {  # a cell that names nobody, without its punctuation
    *("", "na", "nan", "nat", "none", "null", "nil", "unknown", "unk", "missing", "notavailable", "notknown"),
}
MOST_TOLD = 5  # pictures of kinds that are not read
UNKNOWN_PATIENTS = ("refuse", "image", "one")
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
    problems: tuple[Problem, ...] = ()


def cases(
    *,
    root: str,
    columns: Mapping[str, str] | None = None,
    unknown_patients: str = "refuse",
    problems: list[Problem] | None = None,
) -> list[Case]:
    """One case per file of ``root/images``; ids are file names without their ending.

    ``unknown_patients`` says what an image is whose row names no patient: refused, a patient of its own (``image``), or
    one patient together with all others that have none (``one``), which keeps them on one side of the split.
    """
    if unknown_patients not in UNKNOWN_PATIENTS:
        raise UserError(f"data.unknown_patients={unknown_patients}: expected {', '.join(UNKNOWN_PATIENTS)}")
    folder = existing(root, "one that holds images/")
    found: list[Problem] = []
    images = pictures(folder / "images", found)
    require_images(images, folder / "images", root)
    masks = {region: pictures(folder / f"{region}_masks", found) for region in REGIONS}
    for region, there in masks.items():
        found += strays(images, there, region, folder / "images")
    path = next((folder / name for name in ("metadata.csv", "cases.csv") if (folder / name).is_file()), None)
    _require_known_columns(columns, path, folder)
    metadata = read_metadata(path, columns or {}) if path else Metadata()
    if unknown_patients == "refuse" and not metadata.names_patients:
        _require_no_subject(metadata)
    assumed = _assumed(folder, images, metadata, unknown_patients)
    found += [*metadata.problems, *_unlisted(images, metadata), *assumed]
    settle(found, problems)
    if problems is None:
        passed_over = [problem for problem in found if problem.kind == PASSED_OVER]
        for problem in (*passed_over[:MOST_TOLD], *metadata.problems, *assumed):
            log.info("%s", problem)
        if len(passed_over) > MOST_TOLD:
            log.info("... and %d more pictures are passed over", len(passed_over) - MOST_TOLD)
    return [_case(name, path, masks, metadata, unknown_patients) for name, path in images.items()]


def _unlisted(images: Mapping[str, Path], metadata: Metadata) -> list[Problem]:
    """Images that the table does not name (whose patient is unknown), and rows that name no image."""
    if metadata.path is None:
        return []
    there = {key_of(path.name) for path in images.values()}
    said = f"{metadata.path.name} has no row for it, so its patient is unknown; add a row or remove the image"
    lacking = [path for path in images.values() if key_of(path.name) not in metadata.rows]
    unused = [row["file"] for key, row in metadata.rows.items() if key not in there]
    return [Problem("image without row", path, said) for path in lacking] + [
        Problem("row without image", metadata.path, f"names {name}, which is not there", False) for name in unused
    ]


def _assumed(folder: Path, images: Mapping[str, Path], metadata: Metadata, unknown_patients: str) -> list[Problem]:
    """Decides what is taken for a patient where nothing or nobody says it."""
    own = "each image counts as a patient of its own: two of one person may stand on two sides of the split"
    if unknown_patients == "one":
        own = "all such images count as one patient (data.unknown_patients=one)"
    if metadata.path is None:
        return [Problem("patients not known", folder, f"has no metadata.csv; {own}", harm=False)]
    if not metadata.names_patients:
        return [Problem("patients not known", metadata.path, f"has no column of patients; {own}", harm=False)]
    rows = {path: metadata.rows.get(key_of(path.name)) for path in images.values()}
    lacking = [path for path, row in rows.items() if row and is_unknown(row)]
    if unknown_patients == "refuse":
        return [_unknown_patient(path, metadata) for path in lacking]
    said = f"names no patient of {plural(len(lacking), 'image')}; {own}"
    return [Problem("patients not known", metadata.path, said, harm=False)] if lacking else []


def _unknown_patient(path: Path, metadata: Metadata) -> Problem:
    assert metadata.path is not None
    cell = metadata.rows[key_of(path.name)]["patient"]
    what = f"has {cell!r} for its patient" if cell else "leaves its patient empty"
    return Problem(
        "unknown patient",
        path,
        f"{metadata.path.name} {what}, so nobody knows whose image it is; fill it in, or choose "
        "data.unknown_patients=one (such images stay on one side of the split) or image (each a patient of its own)",
    )


def is_unknown(row: Mapping[str, str]) -> bool:
    """Returns whether a row's patient is empty or one of the words for nobody, however written (``N/A``, ``-``)."""
    return re.sub(r"[\W_]", "", row["patient"]).lower() in UNKNOWN


def _case(
    name: str, path: Path, masks: Mapping[str, Mapping[str, Path]], metadata: Metadata, unknown_patients: str
) -> Case:
    row = metadata.rows.get(key_of(path.name), {})
    split = row.get("split", "").lower() or None
    split = SPLIT_WORDS.get(split or "", split)
    if split is not None and split not in SPLITS:
        raise UserError(
            f"{metadata.path}: {path.name} has split {split!r}; expected one of {', '.join(SPLITS)} or nothing"
        )
    known = "patient" in row and not is_unknown(row)
    return Case(
        id=name,
        image=path,
        masks={region: found[name] for region, found in masks.items() if name in found},
        patient=row["patient"] if known else "unknown patient" if unknown_patients == "one" else name,
        label=row.get("class", "") or "unknown",
        split=split,
    )


def read_metadata(path: Path, columns: Mapping[str, str]) -> Metadata:
    """Read the columns that are understood; two rows of a file must agree."""
    table = read_text_table(path)
    header = {name.lower(): name for name in table.columns if name}
    names = {ours: _column(path, ours, columns, header) for ours in COLUMNS}
    if names["file"] is None:
        raise UserError(
            f"{path}: has the columns {', '.join(header)}; expected one called {', '.join(COLUMNS['file'])}, "
            "or data.columns={file: <its name>}"
        )
    rows: dict[str, dict[str, str]] = {}
    for line in table.rows:
        row = {ours: line.cells[name] for ours, name in names.items() if name}
        if not row["file"]:
            raise UserError(f"{path}: line {line.line} names no file; fill in the column {names['file']}")
        if rows.setdefault(key_of(row["file"]), row) != row:
            raise UserError(
                f"{path}: line {line.line} says something else of {row['file']} than a line before; keep one"
            )
    passed_over = tuple(name for name in header.values() if name not in names.values())
    problems = (*_encoding(table), *_patients_but_for_capitals(path, rows))
    return Metadata(path, rows, names["patient"] is not None, passed_over, problems)


def _require_known_columns(columns: Mapping[str, str] | None, path: Path | None, folder: Path) -> None:
    """Refuses a mapping of which a part would be passed over: a misspelt ``patient`` would split by image."""
    if columns is None:
        return
    if not isinstance(columns, Mapping):
        raise UserError(f"data.columns={columns}: expected our names and yours, as in {{patient: subject_number}}")
    for name in columns:
        if name not in COLUMNS:
            raise UserError(
                f"data.columns.{name}: no such column; expected {', '.join(COLUMNS)}"
                f"{suggestion(str(name), list(COLUMNS))}"
            )
    if columns and path is None:
        raise UserError(
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


def _require_no_subject(metadata: Metadata) -> None:
    """Refuses to pass over a column that seems to name patients without a word."""
    likely = [name for name in metadata.passed_over if SUBJECT.search(name) and not TRAIT.search(name)]
    if likely:
        raise UserError(
            f"{metadata.path}: its column {likely[0]!r} may name the patients, and none is called "
            f"{' or '.join(COLUMNS['patient'])}; say data.columns={{patient: {likely[0]}}}, or choose "
            "data.unknown_patients=image, which makes each image a patient of its own"
        )


def key_of(name: str) -> str:
    """Of a file in the table, with or without its ending and folder, in capitals or not."""
    return stem(Path(name.strip())).lower()


def _column(path: Path, ours: str, columns: Mapping[str, str], header: Mapping[str, str]) -> str | None:
    """Returns the column that is called as we or ``data.columns`` say; ``Patient ID`` is ``patient_id``."""
    if ours in columns and str(columns[ours]).strip().lower() not in header:
        raise UserError(f"{path}: data.columns.{ours}={columns[ours]}: no such column; there are {', '.join(header)}")
    if ours in columns:
        return header[str(columns[ours]).strip().lower()]
    simple = {original: re.sub(r"[\W_]+", "_", name) for name, original in header.items()}
    fitting = [original for name in COLUMNS[ours] for original in simple if simple[original] == name]
    if ours == "patient" and len(fitting) > 1:
        raise UserError(
            f"{path}: has the columns {' and '.join(fitting)}, and either may name the patients; say which by "
            f"data.columns={{patient: {fitting[0]}}}"
        )
    return fitting[0] if fitting else None
