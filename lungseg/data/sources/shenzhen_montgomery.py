"""Shenzhen and Montgomery (Jaeger et al., 2014): X-rays of two hospitals with lung masks; tuberculosis or normal.

``CXR_png/`` with ``masks/<stem>_mask.png`` (Shenzhen) or ``masks/<stem>.png`` (Montgomery), or the original
Montgomery with ``ManualMask/{leftMask,rightMask}/<stem>.png``. The last digit of a stem is 1 for tuberculosis.
``ClinicalReadings/<stem>.txt`` tells sex and age.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.data.case import Case, MaskFile
from lungseg.data.sources.clinical_readings import read_sex_and_age
from lungseg.data.sources.issues import Problem, settle
from lungseg.data.sources.mask_matching import existing, pictures, require_images, strays

log = logging.getLogger("lungseg")

DOMAINS = {"CHNCXR": "shenzhen", "MCUCXR": "montgomery"}
LABELS = {"0": "Normal", "1": "Tuberculosis"}


def cases(
    *, root: str, domains: Sequence[str] = ("shenzhen", "montgomery"), problems: list[Problem] | None = None
) -> list[Case]:
    """The X-rays of ``domains`` that have a mask; how many have none is said. One patient an image, as published."""
    unknown = [domain for domain in domains if domain not in DOMAINS.values()]
    if unknown or not domains:
        raise DataError(f"data.domains={list(domains)}: expected some of {', '.join(DOMAINS.values())}")
    found: list[Problem] = []
    listed: list[Case] = []
    for folder in _homes(existing(root, "one that holds CXR_png/"), root):
        images = pictures(folder / "CXR_png", found)
        masks = _masks(folder, images, found)
        bare = [path for name, path in images.items() if name not in masks]
        found += [Problem("image without mask", path, "has no lung mask; it is left out", harm=False) for path in bare]
        readings = folder / "ClinicalReadings"
        listed += [_case(name, images[name], mask, readings) for name, mask in masks.items() if name in images]
    settle(found, problems)
    without = sum(problem.kind == "image without mask" for problem in found)
    if without and problems is None:
        log.info("%s left out", plural(without, "image without a lung mask is", "images without a lung mask are"))
    chosen = [case for case in listed if case.domain in domains]
    require_images(chosen, Path(root), root)
    return sorted(chosen, key=lambda case: case.id)


def _homes(root: Path, said: str) -> list[Path]:
    """Every folder that holds CXR_png: the root, or the two original ones in it."""
    homes = [folder for folder in (root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/"))) if _is_home(folder)]
    if not homes:
        raise DataError(f"data.root={said}: holds no CXR_png folder; give the folder that holds CXR_png/ and masks/")
    names = {path.name for path in homes[0].joinpath("CXR_png").iterdir()}
    return [homes[0], *(home for home in homes[1:] if not names & {path.name for path in (home / "CXR_png").iterdir()})]


def _is_home(folder: Path) -> bool:
    return (folder / "CXR_png").is_dir()


def _masks(folder: Path, images: dict[str, Path], found: list[Problem]) -> dict[str, MaskFile]:
    """Stem of the image -> its mask, whichever way it was published; blended edges are expected."""
    plain = pictures(folder / "masks", found, lambda stem: stem.removesuffix("_mask"))
    plain |= pictures(folder / "mask", found, lambda stem: stem.removesuffix("_mask"))
    found += strays(images, plain, "lung", folder / "CXR_png")
    masks = {name: MaskFile((path,), soft=True) for name, path in plain.items()}
    left, right = (pictures(folder / "ManualMask" / f"{side}Mask", found) for side in ("left", "right"))
    found += strays(images, left | right, "lung", folder / "CXR_png")
    for name in sorted(left.keys() | right.keys()):
        if name in left and name in right:
            masks.setdefault(name, MaskFile((left[name], right[name]), soft=True))
        else:
            lone = (left | right)[name]
            found.append(Problem("half a mask", lone, "the other lung's mask is missing; add it or remove this one"))
    return masks


def _case(name: str, image: Path, mask: MaskFile, readings: Path) -> Case:
    return Case(
        id=name,
        image=image,
        masks={"lung": mask},
        patient=name,
        label=LABELS.get(name[-1], "unknown"),
        domain=DOMAINS.get(name.split("_")[0].upper(), "unknown"),
        attributes=read_sex_and_age(readings / f"{name}.txt"),
    )
