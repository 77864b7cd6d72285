"""MosMedData COVID19_1110 (Morozov et al., 2020): 1110 CT studies in five grades of severity, 50 with infection masks.

``studies/CT-{0,1,2,3,4}/study_<n>.nii.gz`` and ``masks/study_<n>_mask.nii.gz``; one patient a study. The masks hold
ground glass and consolidation as one region, and all published ones are of CT-1; there are none of the lungs. Of each
scan every tenth slice was published. ``dataset_registry.xlsx`` repeats what the folders say, and is not read.
"""

import logging
from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.data.case import Case, MaskFile
from lungseg.data.sources.issues import Problem, settle
from lungseg.data.sources.mask_matching import counted, existing, pictures, require_images, strays

log = logging.getLogger("lungseg")

PUBLISHED = {"CT-0": 254, "CT-1": 684, "CT-2": 125, "CT-3": 45, "CT-4": 2}
MASKS = 50
NAME = "COVID19_1110"


def cases(*, root: str, studies: str = "masked", problems: list[Problem] | None = None) -> list[Case]:
    """One case a study, its grade of severity as its class; ``studies``: those with a mask, or all.

    That a study has no mask means that nobody drew one, not that it has no infection. How many are left out is said.
    """
    if studies not in ("masked", "all"):
        raise DataError(f"data.studies={studies}: expected masked or all")
    folder = _home(existing(root, "one that holds studies/ and masks/"), root)
    found: list[Problem] = []
    images, grades = _studies(folder, found)
    require_images(images, folder / "studies", root)
    masks = pictures(folder / "masks", found, lambda stem: stem.removesuffix("_mask"))
    found += strays(images, masks, "infection", folder / "studies")
    for grade, published in PUBLISHED.items():
        found += counted(folder / "studies" / grade, sum(one == grade for one in grades.values()), published)
    found += _masks_counted(folder / "masks", len(masks))
    bare = images.keys() - masks.keys() if studies == "masked" else set()
    if bare:
        said = f"holds {plural(len(bare), 'study', 'studies')} without a mask, which are left out (data.studies=all)"
        found.append(Problem("study without mask", folder / "studies", said, harm=False))
    settle(found, problems)
    if bare and problems is None:
        number = plural(len(bare), "study without an infection mask is", "studies without an infection mask are")
        log.info("%s left out", number)
    chosen = [_case(name, path, grades[name], masks.get(name)) for name, path in images.items() if name not in bare]
    require_images(chosen, folder / "masks", root)
    return chosen


def _home(root: Path, said: str) -> Path:
    for folder in (root, root / NAME, *sorted(root.glob("*/")), *sorted(root.glob(f"*/{NAME}/"))):
        if any((folder / "studies" / grade).is_dir() for grade in PUBLISHED):
            return folder
    raise DataError(f"data.root={said}: holds no studies/CT-0 to CT-4; give the folder that holds studies/ and masks/")


def _studies(folder: Path, found: list[Problem]) -> tuple[dict[str, Path], dict[str, str]]:
    """Name -> path and name -> grade; a study in two grades is a problem."""
    images: dict[str, Path] = {}
    grades: dict[str, str] = {}
    for grade in PUBLISHED:
        for name, path in pictures(folder / "studies" / grade, found).items():
            if name in images:
                said = f"is in {grades[name]} too; a study has one grade of severity: remove one"
                found.append(Problem("two grades", path, said))
            else:
                images[name], grades[name] = path, grade
    return dict(sorted(images.items())), grades


def _masks_counted(folder: Path, number: int) -> list[Problem]:
    if number == MASKS:
        return []
    said = f"holds {plural(number, 'mask')}; {MASKS} were published"
    return [Problem("count", folder, said, harm=False)]


def _case(name: str, image: Path, grade: str, mask: Path | None) -> Case:
    masks = {} if mask is None else {"infection": MaskFile((mask,), labels=(1,))}
    return Case(id=name, image=image, masks=masks, patient=name, label=grade)
