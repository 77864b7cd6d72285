"""Checks and compares the affines of volumes: 4x4 matrices from voxel indices to millimetres."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.errors import DataError

Affine = NDArray[np.float64]

CANONICAL = "LPS"  # x grows to the patient's left, y to the back, z to the head: slices as a radiologist sees them
SHEAR = 1e-3  # cosine between two axes that are still called perpendicular; rounded headers reach 1e-4


def voxel_sizes(affine: Affine) -> tuple[float, float, float]:
    """Returns the millimetres from one voxel to the next along each index."""
    first, second, third = (float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    return first, second, third


def require_usable(affine: Affine, path: Path) -> None:
    """Refuses an affine that is not finite, has an axis of length zero, is singular or sheared."""
    remedy = "convert the scan to NIfTI again from its DICOM files"
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise DataError(f"{path}: its affine holds NaN or infinity; expected millimetres: {remedy}")
    require_sizes(voxel_sizes(affine), path)
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(directions.T @ directions - np.eye(3))
    if abs(np.linalg.det(directions)) < SHEAR:
        raise DataError(f"{path}: its affine is singular (two axes lie in one plane); expected three axes: {remedy}")
    if cosines.max() > SHEAR:
        degrees = float(np.degrees(np.arcsin(min(cosines.max(), 1.0))))
        raise DataError(
            f"{path}: its affine is sheared by {degrees:.2f} degrees, as by a tilted gantry; "
            "expected perpendicular axes: resample the scan to a straight grid"
        )


def require_sizes(sizes: Sequence[float], path: Path) -> None:
    """Refuses voxels whose size is zero, negative or not finite."""
    if not all(np.isfinite(size) and size > 0 for size in sizes):
        raise DataError(
            f"{path}: its voxels measure {' x '.join(f'{size:g}' for size in sizes)} mm; expected three sizes above "
            "0: correct the header, or convert the scan again from its DICOM files"
        )


def largest_distance(first: Affine, second: Affine, shape: Sequence[int]) -> float:
    """Returns by how many millimetres two affines of one shape disagree, at the corner where it is most."""
    corners = np.array([[*corner, 1] for corner in itertools.product(*((0, side - 1) for side in shape))], np.float64)
    return float(np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1).max())


def axis_codes(affine: Affine) -> tuple[str, str, str]:
    """Returns where the axes of an array lead to, as in ("L", "A", "S")."""
    first, second, third = _orientations().aff2axcodes(affine)
    return first, second, third


def to_canonical(stored: NDArray[Any], affine: Affine) -> NDArray[Any]:
    """Flips and permutes an array [I, J, K] to [X, Y, Z]: to the patient's left, to the back, to the head."""
    return np.asarray(_orientations().apply_orientation(stored, _turn(affine)))


def from_canonical(array: NDArray[Any], affine: Affine) -> NDArray[Any]:
    """Flips and permutes an array [X, Y, Z] back to [I, J, K]."""
    library = _orientations()
    back = library.ornt_transform(library.axcodes2ornt(CANONICAL), library.io_orientation(affine))
    return np.asarray(library.apply_orientation(array, back))


def canonical_affine(affine: Affine, shape: Sequence[int]) -> Affine:
    """Returns the affine of what ``to_canonical`` makes of an array of ``shape``."""
    return np.asarray(affine @ _orientations().inv_ornt_aff(_turn(affine), shape), np.float64)


def _turn(affine: Affine) -> Any:
    library = _orientations()
    return library.ornt_transform(library.io_orientation(affine), library.axcodes2ornt(CANONICAL))


def _orientations() -> Any:
    """Returns nibabel's module, which has no types; half a second's import."""
    from nibabel import orientations

    return orientations
