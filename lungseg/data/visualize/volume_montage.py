"""Lays the telling slices of a volume side by side, so that it is drawn as a picture is."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Gray
from lungseg.data.io.hounsfield import window_to_uint8
from lungseg.data.visualize.overlay import Overlay

SLICES, COLUMNS = 6, 3
LUNG_WINDOW = (-1350.0, 150.0)  # centre -600, width 1500


def flattened(overlay: Overlay) -> Overlay:
    """Returns a picture as it is, and a volume [Z, Y, X] as a montage of the slices with the most errors."""
    if overlay.image.ndim == 2:
        return overlay
    chosen = _telling(overlay)
    image = np.asarray(_tiled(as_gray(overlay.image[chosen])), np.uint8)
    reference, prediction = (
        np.stack([_tiled(mask[chosen]) for mask in masks]) if len(masks) else np.zeros((0, *image.shape), np.bool_)
        for masks in (overlay.reference, overlay.prediction)
    )
    return replace(overlay, image=image, reference=reference, prediction=prediction)


def _telling(overlay: Overlay) -> NDArray[np.intp]:
    """Returns the slices with the most wrong pixels, then those with most of a region, in their order in the body."""
    wrong = (overlay.reference != overlay.prediction).sum((0, 2, 3))
    marked = (overlay.reference | overlay.prediction).sum((0, 2, 3))
    middle = -np.abs(np.arange(len(wrong)) - len(wrong) // 2)
    order = np.lexsort((-middle, -marked, -wrong))
    return np.sort(order[:SLICES])


def as_gray(volume: NDArray[np.generic]) -> Gray:
    """Returns bytes as they are, and Hounsfield units in the window in which lungs are looked at."""
    return np.asarray(volume, np.uint8) if volume.dtype == np.uint8 else window_to_uint8(volume, *LUNG_WINDOW)


def _tiled(slices: NDArray[np.generic]) -> NDArray[np.generic]:
    """[n, Y, X] -> rows of at most ``COLUMNS`` slices; what is left of the last row is 0."""
    columns = min(COLUMNS, len(slices))
    blank = np.zeros((-len(slices) % columns, *slices.shape[1:]), slices.dtype)
    tiles = np.concatenate([slices, blank])
    rows = [np.concatenate(list(tiles[start : start + columns]), axis=1) for start in range(0, len(tiles), columns)]
    return np.concatenate(rows)
