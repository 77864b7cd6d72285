"""The chest without bones: body wall, chest cavity, diaphragm, mediastinum with the heart, and the two lungs."""

from dataclasses import dataclass

import numpy as np

from lungseg.data.phantom.ct.grid import Field, Grid, ellipse, ellipsoid, smallest

FAT, MUSCLE, SKIN, BLOOD, LIVER, LUNG, AIR = -100.0, 50.0, 10.0, 42.0, 58.0, -858.0, -1000.0


@dataclass(frozen=True)
class Patient:
    """Says what one patient is like: lengths in millimetres, factors around 1."""

    width: float  # half the body's
    depth: float
    fat: float  # thickness under the skin
    wall: float  # from the fat to the chest cavity
    cavity: float  # factor of its width
    base: float  # height of the right dome above the middle
    top: float  # height of the apices
    heart: float
    lopsided: float
    roundness: float
    lung: float  # Hounsfield units of healthy lung, relative to LUNG

    @property
    def back(self) -> float:
        """Returns how far behind the middle the vertebrae are."""
        return self.depth - self.fat - 42

    @classmethod
    def draw(cls, rng: np.random.Generator, height: float) -> "Patient":
        """Draws a patient whose lungs fit into a scan of this height."""
        return cls(
            width=rng.uniform(150, 182),
            depth=rng.uniform(98, 122),
            fat=rng.uniform(6, 24),
            wall=rng.uniform(15, 24),
            cavity=rng.uniform(0.94, 1.05),
            base=-height / 2 + height * rng.uniform(0.2, 0.3),
            top=height / 2 - height * rng.uniform(0.06, 0.12),
            heart=rng.uniform(0.88, 1.15),
            lopsided=rng.uniform(-6, 6),
            roundness=rng.uniform(2.1, 2.7),
            lung=rng.uniform(-25, 25),
        )


@dataclass(frozen=True, eq=False)
class Thorax:
    """Holds how much of each voxel is body, muscle, cavity, ..., and the ``rim`` of the cavity in millimetres."""

    body: Field
    under_skin: Field
    muscle: Field
    rim: Field
    cavity: Field
    abdomen: Field  # what lies below the diaphragm
    heart: Field
    mediastinum: Field
    left: Field
    right: Field


def thorax(grid: Grid, patient: Patient, rng: np.random.Generator) -> Thorax:
    """Builds the chest; lungs fill the cavity but for the mediastinum."""
    z, y, x = grid.axes
    wobble = 2.5 * grid.noise(rng, 70)
    x = x - np.float32(patient.lopsided)
    up = np.clip((z - patient.base) / (patient.top - patient.base), -0.6, 1.3)  # 0 at the right dome, 1 at the apices
    shoulders = 1 + 0.12 * np.clip(up - 0.7, 0, 1) / 0.3 - 0.05 * np.clip(0.2 - up, 0, 1)
    outline = ellipse(x, y, (patient.width * shoulders, patient.depth * (1 - 0.1 * np.clip(up - 0.75, 0, 1))),
                      patient.roundness) + wobble  # fmt: skip
    deep = outline + patient.fat * (1 + 0.35 * np.cos(np.arctan2(y, x) * 2))
    rim = _cavity(patient, x, y, up) + 0.6 * wobble
    under = _diaphragm(grid, patient, x, y, rng)
    cavity = grid.inside(rim)
    heart = grid.inside(_heart(patient, z, y, x))
    mediastinum = np.maximum(grid.inside(_mediastinum(patient, z, y, x, up) + 0.7 * wobble), heart)
    above = cavity * (1 - under)
    lungs = above * (1 - mediastinum)
    left = lungs * grid.inside(-x)
    return Thorax(grid.inside(outline), grid.inside(outline + 2.5), grid.inside(deep), rim, cavity, under * cavity,
                  heart * above, mediastinum * above, left, lungs - left)  # fmt: skip


def _cavity(patient: Patient, x: Field, y: Field, up: Field) -> Field:
    """Returns the distance from the chest cavity's surface, whose lungs narrow towards the apices."""
    narrow = np.clip(1 - 0.12 * np.clip(up - 0.25, 0, 2) - 0.62 * np.clip(up, 0, 2) ** 5, 0.05, 1)
    deep = np.clip(1 - 0.1 * np.clip(up - 0.3, 0, 2) - 0.55 * np.clip(up, 0, 2) ** 6, 0.05, 1)
    limit = np.float32(patient.width - patient.wall - patient.fat * 0.8)
    width = np.minimum(128 * patient.cavity, limit) * narrow
    depth = (patient.depth - patient.wall * 0.9 - patient.fat * 0.6) * deep
    y = y + 4 - 14 * np.clip(up - 0.45, 0, 1)  # the chest leans: apices lie towards the back
    return ellipse(x, y, (width.astype(np.float32), depth.astype(np.float32)), 2.3)


def _diaphragm(grid: Grid, patient: Patient, x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Returns how much of each voxel lies below the two domes, which fall towards the back and the sides."""
    z = grid.axes[0]
    tilt = rng.uniform(-0.06, 0.06)
    domes = []
    for side, lower in ((-1, 0.0), (1, rng.uniform(8, 18))):
        u, v = (x - side * 62) / 84, (y + 22) / 92
        domes.append(patient.base - lower + 24 - 46 * (u**2 + v**2) - 26 * np.clip(v, 0, 2) ** 2 + tilt * x)
    surface = np.maximum(domes[0], domes[1]) + 2.0 * grid.noise(rng, 90)
    return grid.inside(z - surface, grid.spacing[0])


def _heart(patient: Patient, z: Field, y: Field, x: Field) -> Field:
    """Returns the distance from a heart that leans to the left and to the front."""
    u, v, w = x - 22, y + 26, z - (patient.base + 42)
    turned = u * 0.82 - w * 0.45, v, u * 0.45 + w * 0.82
    size = patient.heart
    return ellipsoid((turned[2] + 0.25 * v, turned[1], turned[0]), (46 * size, 42 * size, 58 * size))


def _mediastinum(patient: Patient, z: Field, y: Field, x: Field, up: Field) -> Field:
    """Returns the distance from what lies between the lungs, from the spine to behind the sternum."""
    waist = 28 + 5 * np.sin(up * 5 + 1) + 6 * np.clip(up - 0.7, 0, 1) / 0.3
    front = np.clip((-y - 4) / 52, 0, 1)  # the lungs nearly meet in front
    behind = np.clip((y - 18) / 30, 0, 1)
    half = waist * (1 - 0.78 * front**1.5 * np.clip((0.9 - up) / 0.15, 0, 1)) * (1 - 0.35 * behind)
    column = np.abs(x - 3 - 6 * behind) - half + np.maximum(y - np.float32(patient.back - 8), 0) * 2
    spine = ellipse(x, y - np.float32(patient.back + 6), (25, 27)) + 0.0 * z
    hilum = np.minimum(
        ellipsoid((z - patient.base - 78, y + 2, x + 40), (24, 17, 17)),
        ellipsoid((z - patient.base - 86, y + 2, x - 42), (22, 16, 15)),
    )
    return smallest([column, hilum, spine])
