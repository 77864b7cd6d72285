"""Coordinates of a computed scan in millimetres, smooth edges and smooth noise.

x runs to the patient's left, y to the back, z to the head; the origin is the middle of the chest. Fields are float32
[Z, Y, X].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

Field = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Grid:
    """Holds how many voxels a scan has and how large they are, along z, y and x."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @cached_property
    def axes(self) -> tuple[Field, Field, Field]:
        """Returns the millimetres along each axis, shaped so that they span a field together."""
        z, y, x = ((np.arange(side, dtype=np.float32) - (side - 1) / 2) * np.float32(size)
                   for side, size in zip(self.shape, self.spacing, strict=True))  # fmt: skip
        return z[:, None, None], y[None, :, None], x[None, None, :]

    @property
    def height(self) -> float:
        """Returns the millimetres from the lowest to the highest slice."""
        return (self.shape[0] - 1) * self.spacing[0]

    def inside(self, distance: Field, width: float | None = None) -> Field:
        """Returns how much of each voxel lies within a surface, of the distance to it, below 0 within."""
        share: Field = np.clip(0.5 - distance / np.float32(width or self.spacing[1]), 0, 1).astype(np.float32)
        return share

    def noise(self, rng: np.random.Generator, size: float) -> Field:
        """Returns smooth noise of unit variance (nearly) with bumps of about ``size`` millimetres."""
        cells = [max(round(side * step / size), 1) + 3 for side, step in zip(self.shape, self.spacing, strict=True)]
        coarse = rng.standard_normal(cells).astype(np.float32)
        scales = [side / (cell - 2) for side, cell in zip(self.shape, cells, strict=True)]
        fine = zoom(coarse, scales, order=1, grid_mode=True, mode="nearest", prefilter=False)
        z, y, x = self.shape
        return np.asarray(fine[:z, :y, :x] * np.float32(1.5), np.float32)


def ellipse(u: Field, v: Field, radii: tuple[float | Field, float | Field], power: float = 2.0) -> Field:
    """Returns about how far points lie outside of a (super)ellipse around the origin, in millimetres."""
    a, b = radii
    rim = (np.abs(u / a) ** power + np.abs(v / b) ** power) ** np.float32(1 / power)
    return np.asarray((rim - 1) * np.minimum(a, b), np.float32)


def ellipsoid(offsets: tuple[Field, Field, Field], radii: tuple[float, float, float]) -> Field:
    """Returns about how far points lie outside of an ellipsoid around the origin, in millimetres."""
    squares = sum((offset / np.float32(radius)) ** 2 for offset, radius in zip(offsets, radii, strict=True))
    return np.asarray((np.sqrt(squares) - 1) * np.float32(min(radii)), np.float32)


def smallest(distances: Sequence[Field]) -> Field:
    """Returns the distance from several surfaces together."""
    return np.asarray(reduce(np.minimum, distances), np.float32)


def lay(over: Field, share: Field, units: float | Field) -> None:
    """Lays a tissue over a scan, in place: as much of each voxel as ``share`` says."""
    over += share * (units - over)
