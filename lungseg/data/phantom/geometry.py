"""Coordinates and drawing.

Lengths are in patient units: one is half the field of view at zoom 1. x runs to the picture's right (the patient's
left), y down, the origin is the middle of the chest. Fields are float64 [pixels, pixels].
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter1d

from lungseg.data.phantom.patient import Pose

Array = NDArray[np.float64]
Knots = Sequence[tuple[float, float]]

REACH, CELLS, COARSE = 2.5, 4096, 32
np.empty(1 << 24, np.uint8)  # freed at once: from then on glibc keeps freed fields at hand, which is 1.4 times as fast
AXIS: Array = np.linspace(-REACH, REACH, CELLS)


class Frame:
    """The pixels of one film in patient units; curves over one axis are tables of ``CELLS`` values over ``AXIS``."""

    def __init__(self, pixels: int, pose: Pose) -> None:
        self.pixels, self.pose = pixels, pose
        self.film: Array = (np.arange(pixels) + 0.5) / pixels * 2 - 1
        cos, sin = np.cos(pose.angle) / pose.zoom, np.sin(pose.angle) / pose.zoom
        u, v = self.film[None, :] - pose.shift[0], self.film[:, None] - pose.shift[1]
        self.y: Array = cos * v - sin * u
        self._row = _cells(self.y)
        self.x: Array = cos * u + sin * v - self.along_y(pose.bend * np.cos(2.1 * AXIS))
        self._column = _cells(self.x)

    def along_x(self, table: Array) -> Array:
        """A curve over x as a field."""
        return table[self._column]

    def along_y(self, table: Array) -> Array:
        """A curve over y as a field."""
        return table[self._row]

    def splat(self, x: Array, y: Array, mass: Array, sigma: float) -> Array:
        """Points of ``mass`` (units squared) as a field blurred by ``sigma`` film units; none from off the film."""
        cos, sin = np.cos(self.pose.angle) * self.pose.zoom, np.sin(self.pose.angle) * self.pose.zoom
        x = x + self.pose.bend * np.cos(2.1 * y)
        u, v = cos * x - sin * y + self.pose.shift[0], sin * x + cos * y + self.pose.shift[1]
        n = self.pixels
        column, row = (u + 1) * n / 2 - 0.5, (v + 1) * n / 2 - 0.5
        inside = (column >= 0) & (column < n - 1) & (row >= 0) & (row < n - 1)
        column, row, mass = column[inside], row[inside], mass[inside]
        left, top = column.astype(np.intp), row.astype(np.intp)
        right, low = column - left, row - top
        at = np.concatenate([top * n + left, top * n + left + 1, top * n + n + left, top * n + n + left + 1])
        mass = mass * (n * n / 4)
        share = [(1 - right) * (1 - low), right * (1 - low), (1 - right) * low, right * low]
        field = np.bincount(at, np.concatenate([mass * part for part in share]), n * n).reshape(n, n)
        return np.asarray(gaussian_filter(field, sigma * n / 2, output=field, truncate=2.5))

    def noise(self, rng: np.random.Generator, cells: int) -> Array:
        """Smooth noise of unit variance (nearly) with ``cells`` bumps across the film, the same at every size."""
        return _enlarge((rng.random((cells + 3, cells + 3)) - 0.5) * 7.2, self.pixels)

    def broad(self, field: Array, sigma: float) -> Array:
        """``field`` under a wide Gaussian of ``sigma`` film units, worked out on a coarse grid."""
        cut = np.arange(COARSE) * self.pixels // COARSE
        size = np.diff(cut, append=self.pixels)
        small = np.add.reduceat(np.add.reduceat(field, cut, 0), cut, 1) / (size[:, None] * size)
        small = gaussian_filter(small, sigma * COARSE / 2, mode="nearest")
        return _enlarge(np.pad(small, ((1, 2), (1, 2)), mode="edge"), self.pixels, 0.5)


def curve(knots: Knots, smooth: float) -> Array:
    """A table over ``AXIS`` through ``knots`` (position, value), rounded over ``smooth`` units."""
    at, values = zip(*knots, strict=True)
    table = np.interp(AXIS, at, values)
    width = max(1, round(smooth / (2 * REACH) * CELLS))
    for _ in range(3):
        table = uniform_filter1d(table, width, mode="nearest")
    return np.asarray(table)


def look_up(table: Array, at: Array) -> Array:
    """A table's values at positions in units."""
    return table[_cells(at)]


def step(t: Array) -> Array:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(t, 0, 1)
    smooth = 3 - 2 * t
    smooth *= t
    smooth *= t
    return smooth


def dome(t: Array) -> Array:
    """A quarter circle: 0 below 0 with an upright edge, level from 1 on."""
    t = np.clip(t, 0, 1)
    arc = 2 - t
    arc *= t
    return np.sqrt(arc, out=arc)


def _cells(at: Array) -> NDArray[np.intp]:
    cell = (at + REACH) * ((CELLS - 1) / (2 * REACH)) + 0.5
    return np.clip(cell, 0, CELLS - 1, out=cell).astype(np.intp)


def _enlarge(values: Array, pixels: int, shift: float = 0) -> Array:
    """Cubic B-spline [n + 3, n + 3] over n x n film cells -> [pixels, pixels]; ``shift`` in cells."""
    first, weights = _splines(pixels, len(values) - 3, shift)
    rows = sum(values[first + k] * weights[k][:, None] for k in range(4))
    field = np.zeros((pixels, pixels))
    for k in range(4):
        part = np.take(rows, first + k, axis=1)
        part *= weights[k]
        field += part
    return field


@lru_cache(maxsize=64)
def _splines(pixels: int, cells: int, shift: float) -> tuple[NDArray[np.intp], Array]:
    """For each pixel the first of its four coefficients, and their weights [4, pixels]."""
    at = (np.arange(pixels) + 0.5) / pixels * cells - shift + 1
    first = np.clip(np.floor(at).astype(np.intp) - 1, 0, cells - 1)
    t = np.abs(at - first - np.arange(4)[:, None])
    return first, np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.where(t < 2, (2 - t) ** 3 / 6, 0))
