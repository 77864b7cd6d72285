"""Writes masks of volumes as NIfTI files on the grid of the scan that they belong to."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.atomic_io import replaced
from lungseg.core.errors import UserError
from lungseg.data.io.volume import Volume

COMPRESSION = 6


def write_mask(mask: NDArray[Any], like: Volume, path: Path) -> None:
    """Writes a mask or labels up to 255, [Z, Y, X] as ``like`` has it, in the affine and array order of its file."""
    import nibabel

    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise UserError(f"{path}: its name ends in {path.suffix or 'nothing'}; a mask is written to .nii or .nii.gz")
    if mask.dtype.kind not in "bu" or (mask.size and int(mask.max()) > 255):
        raise ValueError(f"a mask of {mask.dtype} holds more than the labels 0 to 255")
    header: Any = like.header.copy()  # the sform and qform of the input, bit for bit
    header.set_data_dtype(np.uint8)
    kind: Any = nibabel.Nifti2Image if isinstance(header, nibabel.Nifti2Header) else nibabel.Nifti1Image
    content: bytes = kind(like.to_stored(mask).astype(np.uint8), None, header).to_bytes()
    with replaced(path) as partial:
        partial.write_bytes(gzip.compress(content, COMPRESSION, mtime=0) if name.endswith(".gz") else content)
