"""Spine, ribs, sternum, shoulder blades and the muscles that lie on them."""

import numpy as np

from lungseg.data.phantom.ct.grid import Field, Grid, ellipse, lay
from lungseg.data.phantom.ct.thorax import FAT, MUSCLE, Patient, Thorax

CORTEX, MARROW, DISC, CARTILAGE, CANAL = 620.0, 190.0, 75.0, 110.0, 20.0
GAP, DROP = 27.0, 96.0  # millimetres from rib to rib, and how far each falls from the back to the front


def bones(grid: Grid, patient: Patient, chest: Thorax, scan: Field, rng: np.random.Generator) -> None:
    """Lays the skeleton over a scan."""
    z, y, x = grid.axes
    x = x - np.float32(patient.lopsided)
    density = rng.uniform(0.8, 1.25)
    marrow = density * (MARROW + 45 * grid.noise(rng, 9))
    back = patient.back
    _muscles(grid, patient, chest, scan, rng)
    _ribs(grid, patient, chest, scan, density)
    _spine(grid, scan, (z, y - np.float32(back), x), marrow, density)
    front = -(patient.depth - patient.fat - patient.wall * 0.55) + 4
    breast = ellipse(x, y - np.float32(front), (17, 6.5)) + 200 * (z < patient.base + 40) + 200 * (z > patient.top - 45)
    _bone(grid, scan, breast.astype(np.float32), marrow, 420 * density, 2.5)
    _blades(grid, patient, scan, (z, y, x), density)


def _bone(grid: Grid, scan: Field, distance: Field, marrow: float | Field, cortex: float, thick: float) -> None:
    lay(scan, grid.inside(distance), cortex)
    lay(scan, grid.inside(distance + thick), marrow)


def _spine(grid: Grid, scan: Field, at: tuple[Field, Field, Field], marrow: Field, density: float) -> None:
    """Lays vertebrae with their discs, canals, and spinous and transverse processes."""
    z, y, x = at
    level = np.mod(z + 400, GAP) - GAP / 2
    body = ellipse(x, y, (19, 15), 2.4)
    is_disc = np.abs(level) > GAP / 2 - 3.2
    lay(scan, grid.inside(body), np.where(is_disc, DISC, CORTEX * 0.62 * density))
    lay(scan, grid.inside(body + 2.6), np.where(is_disc, DISC, marrow))
    arch = np.minimum(ellipse(x, y - 24, (16, 12)), ellipse(x, y - 40, (3.5, 16)) + 150 * (np.abs(level) > 8))
    across = ellipse(np.abs(x) - 26, y - 22, (16, 4.5)) + 150 * (np.abs(level) > 7)
    _bone(grid, scan, np.minimum(arch, across).astype(np.float32), marrow * 1.3, 480 * density, 3.0)
    lay(scan, grid.inside(ellipse(x, y - 23, (10, 8))), CANAL)
    lay(scan, grid.inside(ellipse(x, y - 23, (5.5, 5))), 38.0)


def _ribs(grid: Grid, patient: Patient, chest: Thorax, scan: Field, density: float) -> None:
    """Lays ribs that fall from the back to the front, and end in cartilage."""
    z, y, x = grid.axes
    angle = np.arctan2(np.abs(x - patient.lopsided), y - 4)  # 0 at the spine, pi at the sternum
    fall = DROP * (1 - np.cos(angle)) / 2
    between = np.mod(z + fall + 400 + GAP * 0.2, GAP) - GAP / 2
    out = chest.rim - 6.0
    rib = np.sqrt((out / 4.2) ** 2 + (between / 6.2) ** 2) * 4.2 - 4.2
    there = (z < patient.top + 12) & (angle > 0.24) & (angle < 2.93)
    rib = np.where(there, rib, 100).astype(np.float32)
    bony = np.clip((2.42 - angle) / 0.1, 0, 1)
    lay(scan, grid.inside(rib), CARTILAGE + (CORTEX * density - CARTILAGE) * bony)
    lay(scan, grid.inside(rib + 2.0), CARTILAGE + (MARROW * density - CARTILAGE) * bony)


def _blades(grid: Grid, patient: Patient, scan: Field, at: tuple[Field, Field, Field], density: float) -> None:
    """Lays the shoulder blades behind the upper ribs, and the muscle around them."""
    z, y, x = at
    side = np.abs(x)
    along, across = (side - 96) * 0.8 + (y - 62) * -0.6, (side - 96) * 0.6 + (y - 62) * 0.8
    high = np.clip((z - (patient.top - 120)) / 18, 0, 1)
    out = (1 - high) * 100
    lay(scan, grid.inside((ellipse(along, across, (52, 13)) + out).astype(np.float32)), MUSCLE)
    blade = ellipse(along, across - 1 - 0.002 * along**2, (44, 3.0)) + out
    _bone(grid, scan, blade.astype(np.float32), MARROW * density, 520 * density, 2.2)


def _muscles(grid: Grid, patient: Patient, chest: Thorax, scan: Field, rng: np.random.Generator) -> None:
    """Lays fat between the layers of the chest wall, and the muscles beside the spine."""
    z, y, x = grid.axes
    layer = np.clip(1 - np.abs(chest.rim - 12.5) / 2.2, 0, 1) * 0.8
    streaks = np.clip((np.abs(grid.noise(rng, 34)) * -1 + 0.32) * 4, 0, 1) * np.clip((chest.rim - 16) / 6, 0, 1)
    armpit = ellipse(np.abs(x) - 118, y + 8, (26, 34)) + np.clip(patient.top - 70 - z, 0, 60)
    fat = np.maximum(np.maximum(layer, streaks * 0.85), grid.inside(armpit, 8) * 0.8 * (chest.rim > 13))
    lay(scan, (fat * chest.muscle * (1 - chest.cavity)).astype(np.float32), FAT)
    beside = ellipse(np.abs(x - patient.lopsided) - 27, y - np.float32(patient.back + 34), (21, 15))
    lay(scan, grid.inside(beside) * chest.muscle, MUSCLE + 4)
