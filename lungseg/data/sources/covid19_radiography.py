"""COVID-19 Radiography Database (Chowdhury, Rahman et al., 2020-2021): 21,165 X-rays in four classes with lung masks.

``{COVID,Normal,Lung_Opacity,Viral Pneumonia}/{images,masks}/<class>-<n>.png``, images 299x299, masks 256x256, and
``<class>.metadata.xlsx`` beside, which names the address that each image came from. No split was published.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from lungseg.data.case import Case, MaskFile
from lungseg.data.pairing import counted, existing, pictures, require_images, strays
from lungseg.data.problems import Problem, settle
from lungseg.errors import UserError

log = logging.getLogger("lungseg")

PUBLISHED = {"COVID": 3616, "Normal": 10192, "Lung_Opacity": 6012, "Viral Pneumonia": 1345}
NAME = "COVID-19_Radiography_Dataset"
ENOUGH = 10  # sources in every class: fewer cannot be divided fairly


def cases(*, root: str, group: str = "auto", problems: list[Problem] | None = None) -> list[Case]:
    """All four classes. ``group`` says what counts as one patient: each image, or each source address.

    ``auto``: the source where the metadata names at least ten in every class, else the image; the log says which.
    """
    if group not in ("auto", "source", "image"):
        raise UserError(f"data.group={group}: expected auto, source or image")
    folder = _home(existing(root, f"one that holds {NAME}"), root)
    found: list[Problem] = []
    sources = {label: _sources(folder, label) for label in PUBLISHED}
    known = [len(set(named.values())) for label, named in sources.items() if (folder / label).is_dir()]
    by_source = group == "source" or (group == "auto" and min(known) >= ENOUGH)
    listed = [
        case for label in PUBLISHED for case in _section(folder, label, sources[label] if by_source else {}, found)
    ]
    require_images(listed, folder, root)
    for label, published in PUBLISHED.items():
        found += counted(folder / label, sum(case.label == label for case in listed), published)
    settle(found, problems)
    _say(by_source, known)
    return listed


def _home(root: Path, said: str) -> Path:
    for folder in (root, root / NAME, root / "archive" / NAME, root / NAME / NAME):
        if (folder / "COVID").is_dir() or (folder / "Normal").is_dir():
            return folder
    raise UserError(f"data.root={said}: holds no {NAME} with {', '.join(PUBLISHED)} in it; give the folder that does")


def _section(folder: Path, label: str, sources: dict[str, str], found: list[Problem]) -> list[Case]:
    images = pictures(folder / label / "images", found)
    masks = pictures(folder / label / "masks", found)
    found += strays(images, masks, "lung", folder / label / "images")
    return [
        Case(
            id=name,
            image=path,
            masks={"lung": MaskFile((masks[name],), scaled=True)} if name in masks else {},
            patient=sources.get(name.lower(), name),
            label=label,
        )
        for name, path in images.items()
    ]


def _sources(folder: Path, label: str) -> dict[str, str]:
    """File name in lower case, without ending -> the address it came from; empty where there is no metadata."""
    path = folder / f"{label}.metadata.xlsx"
    if not path.is_file():
        return {}
    import openpyxl

    try:
        rows = list(openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True))
    except Exception as error:
        raise UserError(f"{path}: cannot be read as a spreadsheet ({error}); download it again or remove it") from None
    header = [str(cell or "").strip().upper() for cell in rows[0]] if rows else []
    if "FILE NAME" not in header or "URL" not in header:
        raise UserError(f"{path}: has the columns {', '.join(header)}; expected FILE NAME and URL")
    name, url = header.index("FILE NAME"), header.index("URL")
    return {str(row[name]).strip().lower(): str(row[url]).strip() for row in rows[1:] if row[name] and row[url]}


def _say(by_source: bool, known: Sequence[int]) -> None:
    if by_source:
        log.info("the split is by source address (data.group=source): images of one address stay on one side")
    elif max(known, default=0) == 0:
        log.info("the split is by image, stratified by class: there is no metadata that names patients or sources")
    else:
        log.info(
            "the split is by image, stratified by class: the metadata names as few as %d sources in a class", min(known)
        )
