"""How large a pixel is, where a file says so."""

from collections.abc import Sequence

from lungseg.data.case import Case, files
from lungseg.data.pairing import ending

Spacing = tuple[float, float]  # millimetres from row to row, from column to column

PIXELS: Spacing = (1.0, 1.0)


def spacing(case: Case) -> Spacing | None:
    """From a DICOM's or a NIfTI plane's header; None where it is silent, and for every other kind of file."""
    path = next(iter(files(case.image)), None)
    if path is None:
        return None
    if ending(path) in (".dcm", ".dicom"):
        from lungseg.data import dicom

        return dicom.spacing(path)
    if ending(path) in (".nii", ".nii.gz"):
        from lungseg.data import nifti

        return nifti.plane_spacing(path)
    return None


def spacings(cases: Sequence[Case]) -> tuple[str, dict[str, Spacing]]:
    """``mm`` and each case's by its id, or ``px`` and none: distances in two units are never averaged."""
    found = {}
    for case in cases:
        size = spacing(case)
        if size is None:
            return "px", {}
        found[case.id] = size
    return "mm", found
