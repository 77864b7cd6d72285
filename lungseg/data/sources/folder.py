"""Anyone's data: ``images/`` and any of ``lung_masks/``, ``infection_masks/``, matched by file name.

An optional ``metadata.csv`` or ``cases.csv`` names each file's patient, class and split in columns that ``columns``
may map, as in ``columns: {patient: subject_number}``. Without it each image is a patient of its own.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from lungseg.data.case import SPLITS, Case
from lungseg.data.pairing import existing, pictures, require_images, strays
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
    rows = _rows(table, columns or {}) if table else {}
    if table and rows:
        found += [
            Problem("image without row", path, f"{table.name} has no row for it; add one or remove the image", False)
            for name, path in images.items()
            if path.name not in rows and name not in rows
        ]
    settle(found, problems)
    return [_case(name, path, masks, rows.get(path.name) or rows.get(name) or {}) for name, path in images.items()]


def _case(name: str, path: Path, masks: dict[str, dict[str, Path]], row: dict[str, str]) -> Case:
    split = row.get("split", "").strip().lower() or None
    split = SPLIT_WORDS.get(split or "", split)
    if split is not None and split not in SPLITS:
        raise UserError(
            f"the table of cases: {path.name} has split {split!r}; expected one of {', '.join(SPLITS)} or nothing"
        )
    return Case(
        id=name,
        image=path,
        masks={region: found[name] for region, found in masks.items() if name in found},
        patient=row.get("patient", "").strip() or name,
        label=row.get("class", "").strip() or "unknown",
        split=split,
    )


def _rows(path: Path, columns: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """File name -> the columns that are understood, under our own names."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        header = {name.strip().lower(): name for name in reader.fieldnames or []}
        names = {ours: _column(path, ours, theirs, columns, header) for ours, theirs in COLUMNS.items()}
        if names["file"] is None:
            raise UserError(
                f"{path}: has the columns {', '.join(header)}; expected one called file, filename, image or id, "
                "or data.columns={file: <its name>}"
            )
        key = names["file"]
        return {Path(row[key]).name: {ours: row[name] or "" for ours, name in names.items() if name} for row in reader}


def _column(
    path: Path, ours: str, theirs: tuple[str, ...], columns: Mapping[str, str], header: Mapping[str, str]
) -> str | None:
    if ours in columns and columns[ours].strip().lower() not in header:
        raise UserError(f"{path}: data.columns.{ours}={columns[ours]}: no such column; there are {', '.join(header)}")
    wanted = (columns[ours].strip().lower(),) if ours in columns else theirs
    return next((header[name] for name in wanted if name in header), None)
