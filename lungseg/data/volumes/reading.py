"""Reads scans and their masks in one orientation: slices from the feet up, rows from the front, columns from the right.

So an axial slice is seen as radiologists see it, the patient's right on the left of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.core.errors import DataError
from lungseg.data.case import Case, MaskFile, Picture, files
from lungseg.data.io import nifti
from lungseg.data.io.hounsfield import hounsfield
from lungseg.data.io.image import labelled

LEFT_BACK_HEAD = axcodes2ornt("LPS")
SAME = 1e-2  # millimetres, and share, by which affines of one scan may differ


@dataclass(frozen=True, eq=False)
class Scan:
    """Holds a volume [Z, Y, X] in Hounsfield units, millimetres from voxel to voxel, and where it lies in the body."""

    voxels: NDArray[np.int16]
    spacing: tuple[float, float, float]
    affine: NDArray[np.float64]  # from the indices (x, y, z) of ``voxels`` to millimetres towards right, front and head


def read_scan(image: Picture) -> Scan:
    """Reads a scan from its file, or computes it."""
    if not isinstance(image, Path):
        rendered: Any = image
        return Scan(rendered.read(), rendered.spacing, np.diag([*rendered.spacing[::-1], 1.0]))
    header = _header(image)
    voxels = turned(nifti.read_volume(image), header.affine)
    x, y, z = np.linalg.norm(_turned_affine(header)[:3, :3], axis=0)
    return Scan(hounsfield(voxels, image), (float(z), float(y), float(x)), _turned_affine(header))


def read_volume_masks(case: Case, regions: Sequence[str], scan: Scan) -> Mask:
    """Reads the masks [K, Z, Y, X] of these regions."""
    masks = [read_volume_mask(case.masks[region], case.image, scan.voxels.shape) for region in regions]
    return np.stack(masks) if masks else np.zeros((0, *scan.voxels.shape), np.bool_)


def read_volume_mask(mask: Picture, image: Picture, shape: tuple[int, ...]) -> Mask:
    """Reads one mask [Z, Y, X], which must lie where its scan does."""
    if not files(mask):
        rendered: Any = mask
        return np.asarray(rendered.read() > 0)
    there = np.zeros(shape, np.bool_)
    for path in files(mask):
        header, scan = _header(path), _header(Path(str(image)))
        if header.shape != scan.shape:
            raise DataError(
                f"{path}: the mask has {_by(header.shape)} voxels, its scan {_by(scan.shape)}; expected the same"
            )
        apart = float(np.abs(header.affine - scan.affine).max())
        if apart > SAME * max(1.0, float(np.abs(scan.affine).max())):
            raise DataError(
                f"{path}: the mask lies elsewhere than its scan {scan_name(image)}: their affines differ by up to "
                f"{apart:.3g}; expected the same"
            )
        labels = mask.labels if isinstance(mask, MaskFile) and mask.labels else (1,)
        there |= turned(labelled(nifti.read_volume(path), labels, path), header.affine)
    return there


def turned(voxels: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[Any]:
    """Returns an array [X, Y, Z] as stored as [Z, Y, X] in the one orientation; no voxel is changed."""
    turn = ornt_transform(io_orientation(affine), LEFT_BACK_HEAD)
    return np.ascontiguousarray(nibabel.orientations.apply_orientation(voxels, turn).T)


def stored(volume: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[Any]:
    """Returns a volume [Z, Y, X] of the one orientation as [X, Y, Z] of the file with this affine."""
    turn = ornt_transform(LEFT_BACK_HEAD, io_orientation(affine))
    return np.ascontiguousarray(nibabel.orientations.apply_orientation(volume.T, turn))


def scan_name(image: Picture) -> str:
    """Names the file of a scan."""
    return Path(str(image)).name


def _turned_affine(header: nifti.Header) -> NDArray[np.float64]:
    turn = ornt_transform(io_orientation(header.affine), LEFT_BACK_HEAD)
    return np.asarray(header.affine @ inv_ornt_aff(turn, header.shape))


def _header(path: Path) -> nifti.Header:
    header = nifti.read_header(path)
    if len(header.shape) != 3:
        raise DataError(f"{path}: has {len(header.shape)} dimensions, {_by(header.shape)}; expected a volume of 3")
    axes = header.affine[:3, :3]
    sizes = np.linalg.norm(axes, axis=0)
    if not np.isfinite(axes).all() or min(sizes) <= 0 or min(header.spacing) <= 0:
        raise DataError(f"{path}: its voxels are {_by(header.spacing)} mm; expected a size above 0 along each axis")
    directions = axes / sizes
    if np.abs(directions.T @ directions - np.eye(3)).max() > SAME:
        raise DataError(f"{path}: its affine is sheared or singular; expected axes at right angles: resample the scan")
    if min(header.shape) < 2:
        raise DataError(f"{path}: has a single slice ({_by(header.shape)} voxels); expected a volume of several")
    return header


def _by(numbers: Sequence[float]) -> str:
    return "x".join(f"{number:g}" for number in numbers)
