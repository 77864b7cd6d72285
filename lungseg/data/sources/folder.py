"""Anyone's data: ``images/`` and any of ``lung_masks/``, ``infection_masks/``, matched by file name.

An optional ``metadata.csv`` or ``cases.csv`` names each file's patient, class and split in columns that ``columns``
may map, as in ``columns: {patient: subject_number}``. Without it each image is a patient of its own, which is said.
Its other columns are attributes of the cases, where they name nobody.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.data.case import SPLITS, Case
from lungseg.data.sources.folder_attributes import TableAttributes, read_attributes
from lungseg.data.sources.folder_table import (
    Metadata,
    is_unknown,
    key_of,
    read_metadata,
    require_known_columns,
    require_no_subject,
)
from lungseg.data.sources.issues import Problem, settle
from lungseg.data.sources.mask_matching import PASSED_OVER, existing, pictures, require_images, strays

log = logging.getLogger("lungseg")

SPLIT_WORDS = {"validation": "val", "valid": "val", "training": "train", "testing": "test"}
REGIONS = ("lung", "infection")
MOST_TOLD = 5  # pictures of kinds that are not read
UNKNOWN_PATIENTS = ("refuse", "image", "one")


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
        raise DataError(f"data.unknown_patients={unknown_patients}: expected {', '.join(UNKNOWN_PATIENTS)}")
    folder = existing(root, "one that holds images/")
    found: list[Problem] = []
    images = pictures(folder / "images", found)
    require_images(images, folder / "images", root)
    masks = {region: pictures(folder / f"{region}_masks", found) for region in REGIONS}
    for region, there in masks.items():
        found += strays(images, there, region, folder / "images")
    path = next((folder / name for name in ("metadata.csv", "cases.csv") if (folder / name).is_file()), None)
    require_known_columns(columns, path, folder)
    metadata = read_metadata(path, columns or {}) if path else Metadata()
    if unknown_patients == "refuse" and not metadata.names_patients:
        require_no_subject(metadata)
    attributes = read_attributes(metadata, {key_of(path.name) for path in images.values()}, columns or {})
    assumed = _assumed(folder, images, metadata, unknown_patients)
    found += [*metadata.problems, *_unlisted(images, metadata), *assumed, *attributes.told, *attributes.passed_over]
    settle(found, problems)
    if problems is None:
        passed_over = [problem for problem in found if problem.kind == PASSED_OVER]
        for problem in (*passed_over[:MOST_TOLD], *metadata.problems, *assumed, *attributes.told):
            log.info("%s", problem)
        if len(passed_over) > MOST_TOLD:
            log.info("... and %d more pictures are passed over", len(passed_over) - MOST_TOLD)
    return [_case(name, path, masks, metadata, unknown_patients, attributes) for name, path in images.items()]


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


def _case(
    name: str,
    path: Path,
    masks: Mapping[str, Mapping[str, Path]],
    metadata: Metadata,
    unknown_patients: str,
    attributes: TableAttributes,
) -> Case:
    row = metadata.rows.get(key_of(path.name), {})
    split = row.get("split", "").lower() or None
    split = SPLIT_WORDS.get(split or "", split)
    if split is not None and split not in SPLITS:
        raise DataError(
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
        attributes=attributes.of.get(key_of(path.name), ()),
    )
