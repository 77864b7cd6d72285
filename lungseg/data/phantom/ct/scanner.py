"""Adds what a scanner does: its table, blur, noise, and numbers that are whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from lungseg.data.phantom.ct.grid import Field, Grid, lay

PADDING = -1024


@dataclass(frozen=True)
class Scanner:
    """Says how large voxels are, and how blurred and noisy a scan is."""

    in_plane: float  # millimetres of field of view per side
    between: float  # millimetres from slice to slice
    blur: float  # voxels in the plane
    noise: float  # Hounsfield units
    grain: float  # voxels over which noise is alike
    circle: bool  # whether what lies outside of the field of view is padding

    @classmethod
    def draw(cls, rng: np.random.Generator, slices: int) -> "Scanner":
        """Draws a scanner's settings; a scan of fewer slices has them further apart."""
        return cls(
            in_plane=rng.uniform(365, 410),
            between=rng.uniform(4.8, 5.6) * 56 / slices,
            blur=rng.uniform(0.35, 0.6),
            noise=rng.uniform(12, 30),
            grain=rng.uniform(0.5, 0.9),
            circle=bool(rng.random() < 0.4),
        )


def table(grid: Grid, depth: float, scan: Field) -> None:
    """Lays the table under a patient's back: two thin shells with foam between."""
    z, y, x = grid.axes
    height = y - np.float32(depth + 9) + 0.0007 * x**2 + 0.0 * z
    shell = np.abs(height - 2) - 1.5
    under = np.abs(height - 26 + 0.0009 * x**2) - 1.5
    ends = 100 * (np.abs(x) > 172)
    foam = grid.inside((np.abs(height - 13) - 11 + ends).astype(np.float32))
    empty = np.clip((-scan - 800) / 200, 0, 1)
    lay(scan, foam * empty, -940.0)
    for part in (shell, under):
        lay(scan, grid.inside((part + ends).astype(np.float32)) * empty, -180.0)


def measure(grid: Grid, scanner: Scanner, scan: Field, rng: np.random.Generator) -> NDArray[np.int16]:
    """Returns the scan as the scanner gives it."""
    blurred = gaussian_filter(scan, (0.3, scanner.blur, scanner.blur))
    grain = gaussian_filter(rng.standard_normal(grid.shape).astype(np.float32), (0, scanner.grain, scanner.grain))
    streaks = gaussian_filter1d(rng.standard_normal(grid.shape).astype(np.float32), 6, axis=2)
    thick = gaussian_filter((blurred > 100).mean(axis=2, keepdims=True), (1, 1, 0))  # bone in the beam's way
    noise = scanner.noise * (grain / grain.std() + np.float32(5) * thick * streaks / streaks.std())
    units = blurred + noise
    if scanner.circle:
        _, y, x = grid.axes
        units = np.where(x**2 + y**2 > (scanner.in_plane / 2) ** 2, PADDING, units)
    return np.asarray(np.clip(np.round(units), PADDING, 3071), np.int16)
