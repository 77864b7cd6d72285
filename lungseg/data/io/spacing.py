"""How large a pixel is, where a file says so."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

from lungseg.core.plural import plural
from lungseg.data.case import Case, files
from lungseg.data.sources.mask_matching import ending

log = logging.getLogger("lungseg")

Spacing = tuple[float, float]  # millimetres from row to row, from column to column

PIXELS: Spacing = (1.0, 1.0)


def spacing(case: Case) -> Spacing | None:
    """From a DICOM's or a NIfTI plane's header; None where it is silent, and for every other kind of file."""
    path = next(iter(files(case.image)), None)
    found = None if path is None else _said(path)
    return found if found is not None and all(0 < size < math.inf for size in found) else None


def _said(path: Path) -> Spacing | None:
    if ending(path) in (".dcm", ".dicom"):
        from lungseg.data.io import dicom

        return dicom.spacing(path)
    if ending(path) in (".nii", ".nii.gz"):
        from lungseg.data.io import nifti

        return nifti.plane_spacing(path)
    return None


def spacings(cases: Sequence[Case]) -> tuple[str, dict[str, Spacing]]:
    """``mm`` and each case's by its id, or ``px`` and none: distances in two units are never averaged."""
    found = {case.id: size for case in cases if (size := spacing(case)) is not None}
    if len(found) == len(cases):
        return "mm", found
    if found:
        log.info("%d of %s say how large a pixel is: distances are in pixels for all", len(found),
                 plural(len(cases), "image"))  # fmt: skip
    return "px", {}
