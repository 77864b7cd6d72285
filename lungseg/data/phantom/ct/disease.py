"""Lays what COVID-19 does to lungs: ground glass and consolidation, near the pleura, at the back and the bases."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from lungseg.core.arrays import Mask
from lungseg.data.phantom.ct.grid import Field, Grid, ellipsoid, lay
from lungseg.data.phantom.ct.thorax import Patient, Thorax

GROUND_GLASS, CONSOLIDATION = -560.0, 15.0


def infect(grid: Grid, patient: Patient, chest: Thorax, scan: Field, rng: np.random.Generator) -> Mask:
    """Lays lesions over a scan's lungs; returns where they are."""
    lungs = chest.left + chest.right
    spread = _spread(grid, patient, lungs, rng)
    glass = np.clip((spread - 0.5) * 5 + 0.5, 0, 1) * lungs
    texture = GROUND_GLASS + 75 * rng.uniform(-1, 1) + 55 * grid.noise(rng, 11) + 40 * grid.noise(rng, 6)
    lay(scan, (glass * 0.9).astype(np.float32), np.maximum(scan, texture).astype(np.float32))
    if rng.random() < 0.7:
        core = np.clip((spread - rng.uniform(0.95, 1.25) + 0.22 * grid.noise(rng, 16)) * 5 + 0.5, 0, 1) * lungs
        dense = np.maximum(scan, CONSOLIDATION + 30 * grid.noise(rng, 8))
        lay(scan, (core * 0.92).astype(np.float32), dense.astype(np.float32))
    return np.asarray((glass > 0.5) & (lungs > 0.5), np.bool_)


def _spread(grid: Grid, patient: Patient, lungs: Field, rng: np.random.Generator) -> Field:
    """Returns how ill each voxel is: above 0.5 it is, above 1 densely."""
    z, y, x = grid.axes
    depth = np.asarray(distance_transform_edt(lungs > 0.5, grid.spacing), np.float32)
    likely = np.exp(-depth / 14) * (lungs > 0.5) * (1 + np.clip(y / 60, -0.6, 1.4))
    likely = likely * (1 + np.clip((patient.base + 90 - z) / 90, -0.4, 1))
    places = np.cumsum(likely.ravel(), dtype=np.float64)
    ill = np.zeros(grid.shape, np.float32)
    for _ in range(int(rng.integers(3, 14))):
        place = np.unravel_index(int(np.searchsorted(places, rng.random() * places[-1])), grid.shape)
        size = float(np.exp(rng.normal(np.log(20), 0.45)))
        radii = size * rng.uniform(0.7, 1.3), size * rng.uniform(0.6, 1.2), size * rng.uniform(0.6, 1.2)
        offsets = (z - z[place[0], 0, 0], y - y[0, place[1], 0], x - x[0, 0, place[2]])
        outside = ellipsoid(offsets, radii)
        ill = np.maximum(ill, np.clip(1.45 - (outside / min(radii) + 1), 0, 2))
    ragged = 0.16 * grid.noise(rng, 18) + 0.13 * grid.noise(rng, 8)
    return np.asarray(np.where(ill > 0, ill + ragged, 0), np.float32)
