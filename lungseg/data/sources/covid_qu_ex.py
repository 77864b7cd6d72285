"""COVID-QU-Ex (Tahir et al., 2021): 33,920 X-rays with lung masks, 5826 of them with infection masks.

``<part>/<part>/{Train,Val,Test}/{COVID-19,Non-COVID,Normal}/{images,lung masks,infection masks}``, the parts being
"Lung Segmentation Data" and "Infection Segmentation Data". Who the patients are was not published: each image counts
as one. Infection masks of Non-COVID and Normal are black: they have none.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lungseg.core.errors import DataError
from lungseg.data.case import Case
from lungseg.data.sources.issues import Problem, patients_not_known, settle
from lungseg.data.sources.mask_matching import counted, existing, pictures, require_images, strays

log = logging.getLogger("lungseg")

CLASSES = ("COVID-19", "Non-COVID", "Normal")
SPLITS = {"Train": "train", "Val": "val", "Test": "test"}
PARTS = {"lung": "Lung Segmentation Data", "infection": "Infection Segmentation Data"}
PUBLISHED = {  # images of COVID-19, Non-COVID, Normal
    "lung": {"Train": (7658, 7208, 6849), "Val": (1903, 1802, 1712), "Test": (2395, 2253, 2140)},
    "infection": {"Train": (1864, 932, 932), "Val": (466, 233, 233), "Test": (583, 292, 291)},
}


def cases(
    *,
    root: str,
    part: str = "auto",
    regions: Sequence[str] = ("lung",),
    subset: int | None = None,
    problems: list[Problem] | None = None,
) -> list[Case]:
    """The part that the task's ``regions`` need, or the ``part`` named; the publisher's splits.

    ``subset`` draws so many images from all classes of Train and Val and parts them 80 to 20; Test stays whole.
    """
    if part == "auto":
        part = "infection" if "infection" in regions else "lung"
    if part not in PARTS:
        raise DataError(f"data.part={part}: expected auto, {' or '.join(PARTS)}")
    folder = find_part(existing(root, f"one that holds '{PARTS[part]}'"), part)
    if folder is None:
        raise DataError(
            f"data.root={root}: holds no '{PARTS[part]}' with Train, Val and Test in it; give the folder above it, "
            f"or that folder itself (the other part: data.part={'lung' if part == 'infection' else 'infection'})"
        )
    found: list[Problem] = []
    listed = [case for split in SPLITS for label in CLASSES for case in _section(folder, split, label, part, found)]
    require_images(listed, folder, root)
    found += _counted(folder, part, listed)
    found.append(patients_not_known(folder))
    settle(found, problems)
    return listed if subset is None else draw(listed, subset)


def find_part(root: Path, part: str) -> Path | None:
    """The folder that holds Train, Val, Test of ``part``, from the folder above, ``archive``, or the part itself."""
    name = PARTS[part]
    for base in (root, root / "archive"):
        for folder in (base / name / name, base / name):
            if (folder / "Train").is_dir():
                return folder
    for folder in (root / root.name, root):
        if (folder / "Train").is_dir():
            masked = any(folder.glob("Train/*/infection masks"))
            return folder if masked or part == "lung" else None
    return None


def _section(folder: Path, split: str, label: str, part: str, found: list[Problem]) -> list[Case]:
    """One split's cases of one class; the class folder's stray neighbours are passed over."""
    here = folder / split / label
    images = pictures(here / "images", found)
    masks = {
        region: pictures(here / f"{region} masks", found)
        for region in (("lung", "infection") if part == "infection" else ("lung",))
    }
    for region, there in masks.items():
        found += strays(images, there, region, here / "images")
    known = {"images", "lung masks", "infection masks"}
    found += [
        Problem("stray folder", path, "is no part of the data set; it is passed over", harm=False)
        for path in (sorted(here.iterdir()) if here.is_dir() else [])
        if path.is_dir() and path.name not in known
    ]
    return [
        Case(
            id=f"{SPLITS[split]}-{name}",
            image=path,
            masks={region: there[name] for region, there in masks.items() if name in there},
            patient=f"{SPLITS[split]}-{name}",
            label=label,
            split=SPLITS[split],
        )
        for name, path in images.items()
    ]


def _counted(folder: Path, part: str, listed: Sequence[Case]) -> list[Problem]:
    there = Counter((case.split, case.label) for case in listed)
    return [
        problem
        for split, numbers in PUBLISHED[part].items()
        for label, published in zip(CLASSES, numbers, strict=True)
        for problem in counted(folder / split / label, there[SPLITS[split], label], published)
    ]


def draw(listed: Sequence[Case], number: int, seed: int = 0) -> list[Case]:
    """``number`` of the images in Train and Val, by chance over all classes, 80 to 20; and all of Test."""
    pool = sorted((case for case in listed if case.split != "test"), key=lambda case: case.id)
    if not isinstance(number, int) or not 10 <= number <= len(pool):
        raise DataError(f"data.subset={number}: expected a number from 10 to {len(pool)}, the images in Train and Val")
    order = np.random.default_rng([seed, 29]).permutation(len(pool))[:number]
    cut = round(0.8 * number)
    side = {pool[index].id: "train" if place < cut else "val" for place, index in enumerate(order)}
    log.info("data.subset=%d: %d to train, %d to validate, drawn from all classes", number, cut, number - cut)
    return [
        case if case.split == "test" else replace(case, split=side[case.id])
        for case in listed
        if case.split == "test" or case.id in side
    ]
