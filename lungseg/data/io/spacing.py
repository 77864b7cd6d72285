"""How large a pixel is, where a file says so."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from lungseg.core.plural import plural
from lungseg.data.case import Case, files
from lungseg.data.sources.mask_matching import ending

log = logging.getLogger("lungseg")

Spacing = tuple[float, ...]  # millimetres along each axis of a picture [H, W] or a volume [Z, Y, X]


def spacing(case: Case) -> Spacing | None:
    """From a DICOM's or a NIfTI plane's header; None where it is silent, and for every other kind of file."""
    path = next(iter(files(case.image)), None)
    found = getattr(case.image, "spacing", None) if path is None else _said(path)
    return found if found is not None and all(0 < size < math.inf for size in found) else None


def _said(path: Path) -> Spacing | None:
    if ending(path) in (".dcm", ".dicom"):
        from lungseg.data.io import dicom

        return dicom.spacing(path)
    if ending(path) in (".nii", ".nii.gz"):
        from lungseg.data.io import nifti

        return nifti.volume_spacing(path) or nifti.plane_spacing(path)
    return None


def distance_unit(cases: Sequence[Case]) -> str:
    """Returns ``mm`` where every case says how large its pixels are, else ``px``: two units are never averaged."""
    known = sum(spacing(case) is not None for case in cases)
    if known == len(cases):
        return "mm"
    if known:
        log.info("%d of %s say how large a pixel is: distances are in pixels for all", known,
                 plural(len(cases), "image"))  # fmt: skip
    return "px"
