"""CT slices with infection masks in the layout of COVID-SemiSeg (Fan et al., 2020): pictures of single slices.

``TrainingSet/LungInfection-Train/Doctor-label/{Imgs,GT}`` and ``TestingSet/LungInfection-Test/{Imgs,GT}``, or one
folder with ``Imgs`` and ``GT``: ``Imgs/<n>.jpg`` belongs to ``GT/<n>.png``. The masks hold ground glass and
consolidation as one region. Masks that a net made (``Pseudo-label``) and those of several classes
(``MultiClassInfection-*``) are not read. Of the 100 slices of more than 40 patients in the original collection, the
publisher left out two, which were very small and had black masks.
"""

import logging
from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.data.case import Case
from lungseg.data.sources.issues import Problem, settle
from lungseg.data.sources.mask_matching import counted, existing, pictures, require_images, strays

log = logging.getLogger("lungseg")

PUBLISHED = {"train": 50, "test": 48}
PARTS = {
    "train": ("TrainingSet/LungInfection-Train/Doctor-label", "LungInfection-Train/Doctor-label"),
    "test": ("TestingSet/LungInfection-Test", "LungInfection-Test"),
}
PSEUDO = "Pseudo-label"


def cases(*, root: str, problems: list[Problem] | None = None) -> list[Case]:
    """One case a slice; the publisher's train and test where both are there, else no split.

    Which slices are of one patient was not published: each counts as one, which is said.
    """
    folder = existing(root, "one that holds TrainingSet/ and TestingSet/, or Imgs/ and GT/")
    found: list[Problem] = []
    parts = _parts(folder, root)
    listed = [case for side, home in parts.items() for case in _part(home, side, len(parts) == len(PUBLISHED), found)]
    require_images(listed, next(iter(parts.values())) / "Imgs", root)
    found.append(_patients(folder))
    settle(found, problems)
    if problems is None:
        log.info("%s", found[-1])
    return listed


def _parts(root: Path, said: str) -> dict[str, Path]:
    """Side -> the folder that holds its Imgs and GT; one without a name where the slices lie in the root itself."""
    if (root / "Imgs").is_dir():
        return {"": root}
    for base in (root, *sorted(root.glob("*/"))):
        parts = {
            side: base / place
            for side, places in PARTS.items()
            for place in reversed(places)
            if (base / place / "Imgs").is_dir()
        }
        if parts:
            return parts
    raise DataError(
        f"data.root={said}: holds no Imgs folder, nor {PARTS['train'][0]}/Imgs or {PARTS['test'][0]}/Imgs; "
        "give the folder that does"
    )


def _part(home: Path, side: str, has_split: bool, found: list[Problem]) -> list[Case]:
    images = pictures(home / "Imgs", found)
    masks = pictures(home / "GT", found)
    found += strays(images, masks, "infection", home / "Imgs")
    if side:
        found += counted(home / "Imgs", len(images), PUBLISHED[side])
    if (home.parent / PSEUDO).is_dir():
        said = "its masks were made by a net and are no reference; they are passed over"
        found.append(Problem("pseudo-labels", home.parent / PSEUDO, said, harm=False))
    return [
        Case(
            id=f"{side}-{name}" if side else name,
            image=path,
            masks={"infection": masks[name]} if name in masks else {},
            patient=f"{side}-{name}" if side else name,
            label="COVID-19",
            split=side if has_split else None,
        )
        for name, path in images.items()
    ]


def _patients(folder: Path) -> Problem:
    said = (
        "does not say which slices are of one patient; each counts as a patient of its own, and no split of them, "
        "the publisher's neither, can be shown to be by patient"
    )
    return Problem("patients not known", folder, said, harm=False)
