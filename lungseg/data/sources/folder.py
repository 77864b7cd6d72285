"""Anyone's data: ``images/`` and any of ``lung_masks/``, ``infection_masks/``, matched by file name.

An optional ``metadata.csv`` or ``cases.csv`` names each file's patient, class and split in columns that ``columns``
may map, as in ``columns: {patient: subject_number}``. Without it each image is a patient of its own.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from lungseg.data.case import SPLITS, Case
from lungseg.data.pairing import existing, pictures, require_images, stem, strays
from lungseg.data.problems import Problem, settle
from lungseg.errors import UserError

COLUMNS = {
    "file": ("file", "filename", "image", "id"),
    "patient": ("patient", "patient_id", "patientid"),
    "class": ("class", "label", "finding"),
    "split": ("split", "fold", "subset"),
}
SPLIT_WORDS = {"validation": "val", "valid": "val", "training": "train", "testing": "test"}
REGIONS = ("lung", "infection")


def cases(*, root: str, columns: Mapping[str, str] | None = None, problems: list[Problem] | None = None) -> list[Case]:
    """One case per file of ``root/images``; ids are file names without their ending."""
    folder = existing(root, "one that holds images/")
    found: list[Problem] = []
    images = pictures(folder / "images", found)
    require_images(images, folder / "images", root)
    masks = {region: pictures(folder / f"{region}_masks", found) for region in REGIONS}
    for region, there in masks.items():
        found += strays(images, there, region, folder / "images")
    table = next((folder / name for name in ("metadata.csv", "cases.csv") if (folder / name).is_file()), None)
    rows = read_table(table, columns or {}) if table else {}
    if table:
        found += _unlisted(images, rows, table)
    settle(found, problems)
    return [_case(name, path, masks, rows.get(key_of(path.name)) or {}, table) for name, path in images.items()]


def _unlisted(images: Mapping[str, Path], rows: Mapping[str, Mapping[str, str]], table: Path) -> list[Problem]:
    """Images that the table does not name (whose patient is unknown), and rows that name no image."""
    there = {key_of(path.name) for path in images.values()}
    said = f"{table.name} has no row for it, so its patient is unknown; add a row or remove the image"
    bare = [Problem("image without row", path, said) for path in images.values() if key_of(path.name) not in rows]
    unused = [row["file"] for key, row in rows.items() if key not in there]
    return bare + [Problem("row without image", table, f"names {name}, which is not there", False) for name in unused]


def _case(
    name: str, path: Path, masks: Mapping[str, Mapping[str, Path]], row: Mapping[str, str], table: Path | None
) -> Case:
    split = row.get("split", "").strip().lower() or None
    split = SPLIT_WORDS.get(split or "", split)
    if split is not None and split not in SPLITS:
        raise UserError(f"{table}: {path.name} has split {split!r}; expected one of {', '.join(SPLITS)} or nothing")
    return Case(
        id=name,
        image=path,
        masks={region: found[name] for region, found in masks.items() if name in found},
        patient=row.get("patient", "").strip() or name,
        label=row.get("class", "").strip() or "unknown",
        split=split,
    )


def read_table(path: Path, columns: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """``key_of`` the file -> the columns that are understood, under our own names; two rows of a file must agree."""
    text = path.read_text(encoding="utf-8-sig")
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    header = {name.strip().lower(): name for name in reader.fieldnames or []}
    names = {ours: _column(path, ours, theirs, columns, header) for ours, theirs in COLUMNS.items()}
    if names["file"] is None:
        raise UserError(
            f"{path}: has the columns {', '.join(header)}; expected one called {', '.join(COLUMNS['file'])}, "
            "or data.columns={file: <its name>}"
        )
    rows: dict[str, dict[str, str]] = {}
    for number, line in enumerate(reader, start=2):
        row = {ours: (line[name] or "").strip() for ours, name in names.items() if name}
        if rows.setdefault(key_of(row["file"]), row) != row:
            raise UserError(f"{path}: line {number} says something else of {row['file']} than a line before; keep one")
    return rows


def key_of(name: str) -> str:
    """Of a file in the table, with or without its ending and folder, in capitals or not."""
    return stem(Path(name.strip())).lower()


def _column(
    path: Path, ours: str, theirs: tuple[str, ...], columns: Mapping[str, str], header: Mapping[str, str]
) -> str | None:
    if ours in columns and columns[ours].strip().lower() not in header:
        raise UserError(f"{path}: data.columns.{ours}={columns[ours]}: no such column; there are {', '.join(header)}")
    wanted = (columns[ours].strip().lower(),) if ours in columns else theirs
    return next((header[name] for name in wanted if name in header), None)
