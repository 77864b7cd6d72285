"""Looks for what an image and its masks show that cannot be right of a chest, or is odd."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.data.case import Case, files, place
from lungseg.data.io import raster
from lungseg.data.sources.issues import Problem
from lungseg.data.sources.mask_matching import ending
from lungseg.data.sources.regions import INFECTION, LUNG

OUTSIDE = 0.05  # share of an infection outside the lungs that is told
DISEASED = "covid"  # what the names of classes begin with in which an empty infection mask is told
INVERTED = 0.5  # share of the image's border in a mask; real masks have at most 0.11, inverted ones at least 0.89
UNTURNED = (".dcm", ".dicom", ".nii", ".nii.gz")  # have no EXIF


def implausible(case: Case, masks: Mapping[str, Mask], image: NDArray[Any]) -> list[Problem]:
    """List a blank image, masks that are empty, full or inverted, and infection outside the lungs."""
    path = Path(place(case))
    problems = []
    if image.max() == image.min():
        problems.append(Problem("blank image", path, f"every pixel is {image.max()}"))
    for region, mask in masks.items():
        problems += _inverted(case, region, mask)
    lung, infection = masks.get(LUNG), masks.get(INFECTION)
    if lung is not None and not lung.any():
        problems.append(Problem("empty lung mask", path, "no pixel of the lungs is marked"))
    if lung is not None and lung.all():
        problems.append(Problem("full lung mask", path, "every pixel is marked as lung; inverted or wrong"))
    return problems + (_infection(case, infection, lung) if infection is not None else [])


def _infection(case: Case, infection: Mask, lung: Mask | None) -> list[Problem]:
    path = Path(place(case))
    problems = []
    if not infection.any() and case.label.lower().startswith(DISEASED):
        problems.append(
            Problem("empty infection", path, f"no infection is marked in a case of {case.label}", harm=False)
        )
    if lung is not None and infection.any() and lung.any():
        outside = float((infection & ~lung).sum() / infection.sum())
        if outside > OUTSIDE:
            said = f"{outside:.0%} of the infection lies outside the lungs"
            problems.append(Problem("infection outside lungs", path, said, harm=False))
    return problems


def _inverted(case: Case, region: str, mask: Mask) -> list[Problem]:
    """Lungs and what lies in them do not run along the border of an image; their surroundings do."""
    if mask.ndim != 2 or (region == LUNG and mask.all()):
        return []
    border = float(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean())
    if border <= INVERTED:
        return []
    path = next(iter(files(case.masks[region])), Path(place(case)))
    said = f"{border:.0%} of the image's border is marked as {region}: the mask is inverted or of something else"
    return [Problem("inverted mask", path, f"{said}; mark the {region} bright and all else 0")]


def turned(case: Case, regions: Iterable[str]) -> list[Problem]:
    """List the files whose EXIF turns them, of the image and of the masks of ``regions``, all of which were read."""
    turns = "its EXIF says that it is to be turned, and it is read so, as viewers show it"
    masks = (path for region in regions for path in files(case.masks[region]))
    said = [
        *((path, f"{turns}; its mask must be drawn on that") for path in files(case.image)),
        *((path, f"{turns}; so turned, this mask must lie on its image") for path in masks),
    ]
    return [
        Problem("turned by EXIF", path, text, harm=False)
        for path, text in said
        if ending(path) not in UNTURNED and raster.is_turned(path)
    ]
