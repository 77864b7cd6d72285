"""Remembers where some voxels of each region of a volume lie, so that none need be looked for again."""

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask

POINTS = 512  # of each region, evenly spread


def region_points(masks: Mask) -> NDArray[np.int64]:
    """[K, Z, Y, X] -> [K, POINTS] positions in the flat mask, -1 for a region without any; pictures have none."""
    if masks.ndim < 4:
        return np.zeros((len(masks), 0), np.int64)
    points = np.full((len(masks), POINTS), -1, np.int64)
    for region, mask in enumerate(masks):
        if len(marked := np.flatnonzero(mask)):
            points[region] = marked[np.linspace(0, len(marked) - 1, POINTS).round().astype(np.int64)]
    return points
