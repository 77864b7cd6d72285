"""Anyone's data: ``images/`` and any of ``lung_masks/``, ``infection_masks/``, matched by file name.

An optional ``metadata.csv`` with a column ``file`` (or ``filename``, ``image``) may say ``patient`` (or
``patient_id``), ``class`` (or ``label``, ``finding``) and ``split``. Without it each image is a patient of its own.
"""

import csv
from pathlib import Path

from lungseg.data.case import SPLITS, Case
from lungseg.errors import UserError

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
COLUMNS = {
    "file": ("file", "filename", "image"),
    "patient": ("patient", "patient_id", "patientid"),
    "class": ("class", "label", "finding"),
    "split": ("split", "fold", "subset"),
}


def cases(*, root: str) -> list[Case]:
    """One case per file of ``root/images``; ids are file names without their ending."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"data.root={root}: no such folder; expected one that holds images/; give its path as data.root=..."
        )
    images = _pictures(folder / "images")
    if not images:
        raise UserError(
            f"data.root={root}: {folder / 'images'} holds no picture ({', '.join(sorted(ENDINGS))}); "
            "put the X-rays there or give another data.root=..."
        )
    masks = {region: _pictures(folder / f"{region}_masks") for region in ("lung", "infection")}
    _refuse_strays(images, masks, folder)
    rows = _metadata(folder / "metadata.csv")
    return [_case(stem, path, masks, rows.get(path.name) or rows.get(stem) or {}) for stem, path in images.items()]


def _case(stem: str, path: Path, masks: dict[str, dict[str, Path]], row: dict[str, str]) -> Case:
    split = row.get("split", "").strip().lower() or None
    split = {"validation": "val", "valid": "val", "training": "train", "testing": "test"}.get(split or "", split)
    if split is not None and split not in SPLITS:
        raise UserError(
            f"metadata.csv: {path.name} has split {split!r}; expected one of {', '.join(SPLITS)} or nothing"
        )
    return Case(
        id=stem,
        image=path,
        masks={region: found[stem] for region, found in masks.items() if stem in found},
        patient=row.get("patient", "").strip() or stem,
        label=row.get("class", "").strip() or "unknown",
        split=split,
    )


def _pictures(folder: Path) -> dict[str, Path]:
    """Stem -> path, sorted by name; hidden files and other endings are passed over."""
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            if path.stem in found:
                raise UserError(f"{path}: {found[path.stem].name} has the same name but for its ending; remove one")
            found[path.stem] = path
    return found


def _refuse_strays(images: dict[str, Path], masks: dict[str, dict[str, Path]], folder: Path) -> None:
    for region, found in masks.items():
        strays = [path for stem, path in found.items() if stem not in images]
        if strays:
            raise UserError(
                f"{strays[0]}: no image of that name in {folder / 'images'} ({len(strays)} such {region} masks); "
                "a mask has its image's name: rename or remove it"
            )


def _metadata(path: Path) -> dict[str, dict[str, str]]:
    """File name -> the columns that are understood, under their own names."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        header = {name.strip().lower(): name for name in reader.fieldnames or []}
        names = {ours: next((header[t] for t in theirs if t in header), None) for ours, theirs in COLUMNS.items()}
        if names["file"] is None:
            raise UserError(f"{path}: has the columns {', '.join(header)}; expected one called file, filename or image")
        return {
            Path(row[names["file"]]).name: {ours: row[name] or "" for ours, name in names.items() if name}
            for row in reader
        }
