"""Reads masks from label volumes, checks that they lie on the grid of their scan, and tells left from right."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.data.io.affine import largest_distance
from lungseg.data.io.image import MaskError, MaskSizeError
from lungseg.data.io.volume import Volume, read_volume_file

log = logging.getLogger("lungseg")

SHIFT = 0.1  # of the smallest side of a voxel: what rounding an affine moves a mask by, and no more
APART = 0.1  # of the width of both lungs: less between their middles, and they are not side by side
SHOWN = 6  # values that a message lists


@dataclass(frozen=True)
class LungLabels:
    """Names the labels of the lungs as the publisher documents them; by default as in "COVID-19 CT scans"."""

    right: int = 1
    left: int = 2


@dataclass(frozen=True, eq=False)
class LungSides:
    """Holds the patient's left and right lung, [Z, Y, X] each, by the affine.

    ``contradiction`` is one line where the documented labels say the opposite, else None.
    """

    left: Mask
    right: Mask
    contradiction: str | None = None


def read_label_map(path: Path, scan: Volume, documented: Sequence[int]) -> Volume:
    """Reads labels [Z, Y, X] as integers on the grid of their scan; 0 and the documented ones may be there."""
    found = read_volume_file(path)
    require_same_grid(found, scan)
    whole = _whole(found.voxels, path)
    values = np.unique(whole)
    unknown = values[~np.isin(values, (0, *documented))]
    if len(unknown):
        raise MaskError(
            f"{path}: the mask has the undocumented labels {_listed(unknown)}; expected 0, {_listed(documented)}: "
            "correct the mask, or document what they mean"
        )
    if whole.min() < 0 or whole.max() > 255:
        raise MaskError(f"{path}: the mask has labels outside 0 to 255; expected small whole numbers: number them anew")
    return Volume(whole.astype(np.uint8), found.stored_shape, found.stored_affine, found.header, path)


def region_mask(labels: Volume, region: Sequence[int]) -> Mask:
    """Returns where a label map holds one of the region's labels."""
    return np.asarray(np.isin(labels.voxels, region), np.bool_)


def require_same_grid(mask: Volume, scan: Volume) -> None:
    """Refuses a mask of another size than its scan, or one that lies elsewhere; says by how much."""
    if mask.voxels.shape != scan.voxels.shape:
        raise MaskSizeError(
            f"{mask.source}: the mask is {_size(mask)} voxels but its scan {scan.source} is {_size(scan)} "
            "(x, y, z); a mask must have its scan's grid: resample it without interpolation, or leave the pair out"
        )
    x, y, z = reversed(mask.voxels.shape)
    distance = largest_distance(mask.affine, scan.affine, (x, y, z))
    if distance > SHIFT * min(scan.spacing):
        raise MaskError(
            f"{mask.source}: its affine puts the mask up to {distance:.2f} mm away from its scan {scan.source} "
            f"(axes {''.join(mask.axis_codes)} and {''.join(scan.axis_codes)}); expected the same affine: "
            "write the mask with that of its scan, or leave the pair out"
        )


def lung_sides(labels: Volume, documented: LungLabels | None = None) -> LungSides:
    """Tells the left lung from the right by where they lie in the patient, never by their number.

    ``documented`` names the two labels; a map whose labels lie on the other sides is logged and reported.
    """
    meaning = documented or LungLabels()
    if not labels.is_oriented:
        raise MaskError(
            f"{labels.source}: its header does not say where left and right are (sform and qform are 0); expected an "
            "affine: write the mask with that of its scan, or use both lungs as one region"
        )
    first, second = (labels.voxels == number for number in (meaning.right, meaning.left))
    _require_two(first, second, meaning, labels.source)
    x_first, x_second = _middle(first), _middle(second)
    _require_apart(abs(x_first - x_second), first | second, meaning, labels.source)
    if x_first < x_second:  # x grows to the patient's left
        return LungSides(left=second, right=first)
    said = (
        f"{labels.source}: label {meaning.right} is documented as the right lung and {meaning.left} as the left, but "
        "its affine puts them the other way round; the affine is followed: check whether it is mirrored"
    )
    log.warning("%s", said)
    return LungSides(left=first, right=second, contradiction=said)


def _require_two(first: Mask, second: Mask, meaning: LungLabels, path: Path) -> None:
    there = [number for number, lung in ((meaning.right, first), (meaning.left, second)) if lung.any()]
    if len(there) < 2:
        found = f"only label {there[0]} for the lungs" if there else "no lung"
        raise MaskError(
            f"{path}: the mask has {found}, but left and right are asked for; expected the labels {meaning.right} and "
            f"{meaning.left}, one a lung: label the lungs one by one, or use both as one region"
        )


def _require_apart(distance: float, both: Mask, meaning: LungLabels, path: Path) -> None:
    columns = np.flatnonzero(both.any(axis=(0, 1)))
    if distance < APART * (columns[-1] - columns[0] + 1):
        raise MaskError(
            f"{path}: the labels {meaning.right} and {meaning.left} do not lie side by side (their middles are "
            f"{distance:.1f} voxels apart); expected one a lung: label the lungs one by one, or use both as one region"
        )


def _middle(mask: Mask) -> float:
    """Returns the mean x of a region."""
    counts = mask.sum(axis=(0, 1))
    return float((counts * np.arange(len(counts))).sum() / counts.sum())


def _whole(values: NDArray[Any], path: Path) -> NDArray[np.int64]:
    rounded = np.round(values)
    if values.dtype.kind == "f" and not np.array_equal(rounded, values):
        parts = np.unique(values[rounded != values])
        raise MaskError(
            f"{path}: the mask has the values {_listed(parts)}; expected whole labels: "
            "resample it without interpolation"
        )
    return np.asarray(rounded, np.int64)


def _listed(values: Iterable[Any]) -> str:
    shown = [f"{value:g}" for value in values]
    return ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")


def _size(volume: Volume) -> str:
    return "x".join(map(str, reversed(volume.voxels.shape)))
