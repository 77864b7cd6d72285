"""Brings CT voxels to Hounsfield units, and Hounsfield units to what is shown or trained on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Gray
from lungseg.core.errors import DataError

AIR_AT_MOST = -500.0  # a chest in Hounsfield units holds air, which is -1000, and lung, which is about -850
SOFT_TISSUE_AT_LEAST = 0.0
HIGHEST = 32767.0  # metal, in 16 bits
PADDING = -1024.0  # scanners put lower numbers outside their circle; they mean air
WINDOWED_AT_LEAST = 200.0  # what the brightest voxel of an 8-bit chest reaches, since bone is white
PUBLISHED_WINDOW = (-1250.0, 250.0)  # of the 8-bit scans of "COVID-19 CT scans" (Ma et al., 2020)


def rescale(stored: NDArray[Any], slope: float, intercept: float) -> NDArray[np.int16] | NDArray[np.float32]:
    """Applies slope and intercept; returns int16 where all results are whole and fit, else float32."""
    values = stored.astype(np.float64) * slope + intercept
    limits = np.iinfo(np.int16)
    if values.size and (values == np.round(values)).all() and limits.min <= values.min() <= values.max() <= limits.max:
        return values.astype(np.int16)
    return values.astype(np.float32)


def window(voxels: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """Maps ``low`` to 0 and ``high`` to 1, and clips what lies outside."""
    if not low < high:
        raise ValueError(f"a window from {low:g} to {high:g} shows nothing")
    shown = (voxels.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.asarray(shown.clip(0, 1), np.float32)


def window_to_uint8(voxels: NDArray[Any], low: float, high: float) -> Gray:
    """Maps ``low`` to 0 and ``high`` to 255, and clips what lies outside."""
    return np.asarray(np.round(window(voxels, low, high) * 255), np.uint8)


def is_windowed(voxels: NDArray[Any]) -> bool:
    """Returns whether a scan was windowed to 8 bits before it was published."""
    return float(voxels.min()) >= 0 and WINDOWED_AT_LEAST <= float(voxels.max()) <= 255


def as_hounsfield(
    voxels: NDArray[Any], path: Path, published_window: tuple[float, float] = PUBLISHED_WINDOW
) -> NDArray[np.float32]:
    """Returns Hounsfield units from -1024 up, of a scan in them or of one windowed to 8 bits.

    ``published_window`` is what 0 and 255 of an 8-bit scan stand for. A scan that is neither is refused.
    """
    lowest, highest = float(voxels.min()), float(voxels.max())
    if is_windowed(voxels):
        low, high = published_window
        return np.asarray(voxels.astype(np.float32) / 255 * (high - low) + low, np.float32)
    if lowest <= AIR_AT_MOST and SOFT_TISSUE_AT_LEAST < highest <= HIGHEST:
        return np.asarray(np.maximum(voxels.astype(np.float32), PADDING), np.float32)
    raise DataError(
        f"{path}: its voxels go from {lowest:g} to {highest:g}; expected Hounsfield units (air near -1000) or 8 bits "
        "(0 to 255): convert the scan again with its rescale slope and intercept"
    )
