"""COVID-19 Radiography Database (Chowdhury, Rahman et al., 2020-2021): 21,165 X-rays in four classes with lung masks.

``{COVID,Normal,Lung_Opacity,Viral Pneumonia}/{images,masks}/<class>-<n>.png``, images 299x299, masks 256x256, and
``<class>.metadata.xlsx`` beside, which names the address that each image came from; its site is an attribute. No split
was published.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.data.attributes import Attributes, is_value
from lungseg.data.case import Case, MaskFile
from lungseg.data.sources.issues import Problem, patients_not_known, settle
from lungseg.data.sources.mask_matching import counted, existing, pictures, require_images, strays

log = logging.getLogger("lungseg")

PUBLISHED = {"COVID": 3616, "Normal": 10192, "Lung_Opacity": 6012, "Viral Pneumonia": 1345}
NAME = "COVID-19_Radiography_Dataset"
NO_SOURCE = "{label} without source"
NOWHERE = ("", "na", "nan", "none", "null", "unknown")  # an address that is none, without its punctuation
ENOUGH = 10  # sources in every class: fewer cannot be divided fairly


def cases(*, root: str, group: str = "auto", problems: list[Problem] | None = None) -> list[Case]:
    """All four classes. ``group`` says what counts as one patient: each image, or each source address.

    ``auto``: the source where the metadata names at least ten in every class, else the image; the log says which. By
    source, the images of a class that the metadata gives no address count as one source, and stay on one side.
    """
    if group not in ("auto", "source", "image"):
        raise DataError(f"data.group={group}: expected auto, source or image")
    folder = _home(existing(root, f"one that holds {NAME}"), root)
    found: list[Problem] = []
    sources = {label: _sources(folder, label) for label in PUBLISHED}
    known = [len(set(named.values())) for label, named in sources.items() if (folder / label).is_dir()]
    by_source = group == "source" or (group == "auto" and min(known) >= ENOUGH)
    listed = [case for label in PUBLISHED for case in _section(folder, label, sources[label], by_source, found)]
    require_images(listed, folder, root)
    if not by_source:
        found.append(patients_not_known(folder))
    for label, published in PUBLISHED.items():
        found += counted(folder / label, sum(case.label == label for case in listed), published)
    lacking = [case for case in listed if case.patient == NO_SOURCE.format(label=case.label)]
    if lacking:
        found.append(Problem("sources not known", folder, _without_source(lacking), harm=False))
    settle(found, problems)
    _say(by_source, known, lacking)
    return listed


def _home(root: Path, said: str) -> Path:
    for folder in (root, root / NAME, root / "archive" / NAME, root / NAME / NAME):
        if (folder / "COVID").is_dir() or (folder / "Normal").is_dir():
            return folder
    raise DataError(f"data.root={said}: holds no {NAME} with {', '.join(PUBLISHED)} in it; give the folder that does")


def _section(folder: Path, label: str, sources: dict[str, str], by_source: bool, found: list[Problem]) -> list[Case]:
    images = pictures(folder / label / "images", found)
    masks = pictures(folder / label / "masks", found)
    found += strays(images, masks, "lung", folder / label / "images")
    return [
        Case(
            id=name,
            image=path,
            masks={"lung": MaskFile((masks[name],), scaled=True)} if name in masks else {},
            patient=sources.get(name.lower(), NO_SOURCE.format(label=label)) if by_source else name,
            label=label,
            attributes=_site(sources.get(name.lower(), "")),
        )
        for name, path in images.items()
    ]


def _site(address: str) -> Attributes:
    """The host of an address, ``github.com``; nothing where it has none that can stand in a table."""
    try:
        site = (urlsplit(address).hostname or "").removeprefix("www.")
    except ValueError:
        return ()
    return (("source", site),) if site and is_value(site) else ()


def _sources(folder: Path, label: str) -> dict[str, str]:
    """File name in lower case, without ending -> the address it came from; empty where there is no metadata."""
    path = folder / f"{label}.metadata.xlsx"
    if not path.is_file():
        return {}
    import openpyxl

    try:
        rows = list(openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True))
    except Exception as error:
        raise DataError(f"{path}: cannot be read as a spreadsheet ({error}); download it again or remove it") from None
    header = [str(cell or "").strip().upper() for cell in rows[0]] if rows else []
    if "FILE NAME" not in header or "URL" not in header:
        raise DataError(f"{path}: has the columns {', '.join(header)}; expected FILE NAME and URL")
    name, url = header.index("FILE NAME"), header.index("URL")
    whole = [row for row in rows[1:] if len(row) > max(name, url)]
    cells = [(str(row[name] or "").strip().lower(), str(row[url] or "").strip()) for row in whole]
    return {file: address for file, address in cells if file and re.sub(r"\W", "", address).lower() not in NOWHERE}


def _without_source(lacking: Sequence[Case]) -> str:
    number = plural(len(lacking), "image")
    return f"the metadata gives no address of {number}; those of a class count as one source and stay on one side"


def _say(by_source: bool, known: Sequence[int], lacking: Sequence[Case]) -> None:
    if by_source:
        log.info("the split is by source address (data.group=source): images of one address stay on one side")
        if lacking:
            log.info("%s", _without_source(lacking))
    elif max(known, default=0) == 0:
        log.info("the split is by image, stratified by class: there is no metadata that names patients or sources")
    else:
        log.info(
            "the split is by image, stratified by class: the metadata names as few as %s in a class",
            plural(min(known), "source"),
        )
