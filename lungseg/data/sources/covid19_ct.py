"""COVID-19 CT scans (Ma et al., 2020): twenty volumes in NIfTI with lung and infection masks.

``ct_scans/coronacases_org_001.nii`` belongs to ``lung_mask/coronacases_001.nii``, and so on: pairs are made by the
case's own name. The paths in ``metadata.csv`` are those of the publisher's machine, and some of its rows are shifted:
it is never used to pair, only told where it is wrong.
"""

import re
from pathlib import Path

from lungseg.core.errors import DataError, UserError
from lungseg.data.case import Case, MaskFile
from lungseg.data.io.csv_table import read_text_table
from lungseg.data.sources.issues import Problem, settle
from lungseg.data.sources.mask_matching import counted, existing, pictures, require_images, stem, strays

PUBLISHED = 20
MASKS = {"lung": "lung_mask", "infection": "infection_mask"}
LABELS = {"lung": (1, 2), "infection": (1,)}
REGIONS = {
    "lung": ("lung", None),
    "left_lung": ("lung", "left"),
    "right_lung": ("lung", "right"),
    "infection": ("infection", None),
}
COLUMNS = ("ct_scan", "lung_mask", "infection_mask", "lung_and_infection_mask")


def cases(*, root: str, problems: list[Problem] | None = None) -> list[Case]:
    """One case a volume; both lungs' labels are the lung, and ``left_lung`` and ``right_lung`` are each of them."""
    folder = existing(root, "one that holds ct_scans/")
    if not (folder / "ct_scans").is_dir():
        raise DataError(f"data.root={root}: holds no ct_scans folder; give the folder that holds it and lung_mask/")
    found: list[Problem] = []
    images = pictures(folder / "ct_scans", found, name)
    require_images(images, folder / "ct_scans", root)
    masks = {region: pictures(folder / where, found, name) for region, where in MASKS.items()}
    both = pictures(folder / "lung_and_infection_mask", found, name)
    for region, there in {**masks, "lung_and_infection": both}.items():
        found += strays(images, there, region, folder / "ct_scans")
    found += _shifted(folder / "metadata.csv")
    found += counted(folder / "ct_scans", len(images), PUBLISHED)
    settle(found, problems)
    return [
        Case(
            id=key,
            image=path,
            masks={
                region: MaskFile((masks[file][key],), labels=LABELS[file], side=side)
                for region, (file, side) in REGIONS.items()
                if key in masks[file]
            },
            patient=key,
            label="COVID-19",
            domain=key.split("_")[0],
        )
        for key, path in images.items()
    ]


def name(stem: str) -> str:
    """What scan and masks share: ``radiopaedia_org_covid-19-pneumonia-4_85506_1-dcm`` -> ``radiopaedia_4_85506_1``."""
    return re.sub(r"covid-19-pneumonia-|-dcm$", "", stem.lower()).replace("_org", "")


def _shifted(path: Path) -> list[Problem]:
    """Rows whose four files are not of one case."""
    if not path.is_file():
        return []
    try:
        rows = read_text_table(path).rows
    except UserError as error:  # nothing is taken from it
        return [Problem("unreadable", path, str(error).removeprefix(f"{path}: "), harm=False)]
    problems = []
    for row in rows:
        keys = {name(stem(Path(row.cells[column]))) for column in COLUMNS if row.cells.get(column)}
        if len(keys) > 1:
            said = f"line {row.line} puts {' and '.join(sorted(keys))} together; files are paired by their own names"
            problems.append(Problem("shifted row", path, said, harm=False))
    return problems
