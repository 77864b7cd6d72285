"""Brings the values of scans to Hounsfield units, and these to grey levels."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Gray
from lungseg.core.errors import DataError

AIR = -500  # a scan in Hounsfield units has voxels below it: air around the body or in the lungs
LEAST, MOST = -2048, 32_000  # what a scanner stores; above 4000 is metal
EIGHT_BITS = (-1250.0, 250.0)  # the window in which the published 8-bit scans were saved


def hounsfield(values: NDArray[Any], path: Path) -> NDArray[np.int16]:
    """Returns Hounsfield units; scans that were saved as 8-bit grey levels are brought back to those of their window.

    A scan that is neither is refused with its range.
    """
    low, high = float(values.min()), float(values.max())
    if low < AIR and high > low + 100:
        return np.asarray(np.round(values).clip(LEAST, MOST), np.int16)
    if low >= 0 and 100 < high <= 255:
        first, last = EIGHT_BITS
        return np.asarray(np.round(values.astype(np.float32) / 255 * (last - first) + first), np.int16)
    raise DataError(
        f"{path}: its values run from {low:g} to {high:g}; expected Hounsfield units, which reach below {AIR}, or grey "
        "levels from 0 to 255"
    )


def windowed(voxels: NDArray[np.int16], low: float, high: float) -> Gray:
    """Returns grey levels: 0 at ``low`` and below, 255 at ``high`` and above."""
    share = (voxels.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.round(share.clip(0, 1) * 255), np.uint8)
