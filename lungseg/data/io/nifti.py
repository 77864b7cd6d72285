"""NIfTI files: volumes with the size of their voxels, and single planes."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.errors import DataError, UserError
from lungseg.core.security.printable_text import one_line
from lungseg.data.io.pixel_values import require_numbers


@dataclass(frozen=True)
class Header:
    """What a volume says of itself before it is read: voxels along x, y, z, and their size in millimetres."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    affine: NDArray[np.float64]

    @property
    def is_volume(self) -> bool:
        """Not a single plane."""
        return len([side for side in self.shape if side != 1]) == 3


def read_header(path: Path) -> Header:
    image = _open(path)
    try:
        zooms = tuple(float(size) for size in image.header.get_zooms())
        return Header(tuple(image.shape), zooms, np.asarray(image.affine))
    except Exception as error:  # a decoder raises what it likes on a damaged file
        raise _damaged(path, error) from None


def read_volume(path: Path) -> NDArray[Any]:
    """[X, Y, Z] as stored, slope and intercept applied; integers stay integers."""
    image = _open(path)
    try:
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # a decoder raises what it likes on a damaged file
        raise _damaged(path, error) from None
    return require_numbers(values, path)


def read_plane(path: Path) -> NDArray[Any]:
    """[H, W] of a file that holds one plane, as it is seen: rows from the top, columns from the left."""
    pixels = read_volume(path)
    plane = pixels.reshape([side for side in pixels.shape if side != 1]) if pixels.ndim > 2 else pixels
    if plane.ndim != 2:
        raise DataError(
            f"{path}: a volume of {'x'.join(map(str, pixels.shape))} voxels where one image was expected; "
            "to train on volumes add data.view=slices"
        )
    return np.ascontiguousarray(plane.T)


def plane_spacing(path: Path) -> tuple[float, float] | None:
    """Millimetres from row to row and from column to column of ``read_plane``; None where none is set."""
    image = _open(path)
    sides = [size for size, side in zip(image.header.get_zooms(), image.shape, strict=False) if side != 1]
    try:
        unit = image.header.get_xyzt_units()[0]
    except KeyError:  # a number that stands for no unit
        return None
    if len(sides) != 2 or unit not in ("mm", "unknown") or (unit == "unknown" and sides == [1, 1]):
        return None
    return float(sides[1]), float(sides[0])


def volume_spacing(path: Path) -> tuple[float, ...] | None:
    """Millimetres from slice to slice, from row to row and from column to column of a volume; None of a plane.

    They are those of the axes that run most nearly along the body, from the left and from the front.
    """
    header = read_header(path)
    if not header.is_volume:
        return None
    sizes = np.linalg.norm(header.affine[:3, :3], axis=0)
    axes = np.abs(header.affine[:3, :3] / np.maximum(sizes, 1e-9)).argmax(axis=0)
    return tuple(float(sizes[list(axes).index(axis)]) if axis in axes else 0.0 for axis in (2, 1, 0))


def _open(path: Path) -> Any:
    import nibabel

    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # what it would print is said below
    try:
        return nibabel.load(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the data changed while it was read, start again") from None
    except Exception as error:  # a decoder raises what it likes on a damaged file
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].replace(str(path), "the file")
    return DataError(f"{path}: not a NIfTI file or damaged ({one_line(reason)[:120]}); copy it again or remove it")
