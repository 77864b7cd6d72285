"""Folders of a classification set, ``{train,val,test}/{class}/``: images and classes, no masks."""

from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.data.case import Case
from lungseg.data.sources.issues import Problem, patients_not_known, settle
from lungseg.data.sources.mask_matching import existing, pictures, require_images

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def cases(*, root: str, problems: list[Problem] | None = None) -> list[Case]:
    """The publisher's splits, classes by folder name; each image counts as one patient."""
    folder = existing(root, "one that holds train/, val/ or test/ with a folder per class")
    inner = [path for path in (folder, *sorted(folder.glob("*/"))) if _splits(path)]
    if not inner:
        raise DataError(f"data.root={root}: holds none of train/, val/, test/; give the folder that does")
    found: list[Problem] = []
    listed = [
        Case(
            id=f"{SPLITS[split.name.lower()]}-{label.name}-{name}",
            image=path,
            patient=f"{SPLITS[split.name.lower()]}-{label.name}-{name}",
            label=label.name,
            split=SPLITS[split.name.lower()],
        )
        for split in _splits(inner[0])
        for label in sorted(path for path in split.iterdir() if path.is_dir())
        for name, path in pictures(label, found).items()
    ]
    require_images(listed, inner[0], root)
    found.append(patients_not_known(inner[0]))
    settle(found, problems)
    return listed


def _splits(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.lower() in SPLITS]
