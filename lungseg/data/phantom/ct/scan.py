"""One computed CT scan: its voxels in Hounsfield units and where its lungs and its infection are."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.data.phantom.ct.bones import bones
from lungseg.data.phantom.ct.disease import infect
from lungseg.data.phantom.ct.grid import Field, Grid, lay
from lungseg.data.phantom.ct.scanner import Scanner, measure, table
from lungseg.data.phantom.ct.thorax import AIR, FAT, LIVER, LUNG, MUSCLE, SKIN, Patient, Thorax, thorax
from lungseg.data.phantom.ct.vessels import mediastinal, within_lungs

REGIONS = ("lung", "left_lung", "right_lung", "infection")


@dataclass(frozen=True, slots=True)
class Study:
    """All that a scan depends on; ``index`` counts scans, ``patient`` patients, both from 0."""

    seed: int
    index: int
    patient: int
    ill: bool
    pixels: int
    slices: int

    def random(self, part: int) -> np.random.Generator:
        """Returns numbers of their own for each part of a scan, so that no part moves another."""
        return np.random.Generator(np.random.PCG64([self.seed, 31, part, self.index]))

    def of_patient(self, part: int) -> np.random.Generator:
        """Returns numbers that are the same in all scans of a patient."""
        return np.random.Generator(np.random.PCG64([self.seed, 32, part, self.patient]))

    @property
    def scanner(self) -> Scanner:
        """Returns the scanner that it was taken with."""
        return Scanner.draw(self.random(0), self.slices)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Returns the millimetres from voxel to voxel along z, y and x."""
        scanner = self.scanner
        side = round(scanner.in_plane / self.pixels, 4)
        return round(scanner.between, 3), side, side


@dataclass(frozen=True, slots=True)
class Scan:
    """A study's voxels or one of its masks: ``part`` is image, or one of ``REGIONS``."""

    study: Study
    part: str

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Returns the millimetres from voxel to voxel along z, y and x."""
        return self.study.spacing

    def read(self) -> NDArray[np.int16] | NDArray[np.uint8]:
        """Returns [slices, pixels, pixels]: Hounsfield units, or 0 and 255 of a mask."""
        rendered = _render(self.study)
        return rendered[0].copy() if self.part == "image" else rendered[1][self.part].astype(np.uint8) * np.uint8(255)


@lru_cache(maxsize=2)
def _render(study: Study) -> tuple[NDArray[np.int16], dict[str, Mask]]:
    grid = Grid((study.slices, study.pixels, study.pixels), study.spacing)
    patient = Patient.draw(study.of_patient(1), grid.height)
    chest = thorax(grid, patient, study.of_patient(2))
    scan = _soft(grid, patient, chest, study.random(3))
    mediastinal(grid, patient, chest, scan, study.random(5))
    bones(grid, patient, chest, scan, study.of_patient(4))
    _lungs(grid, patient, chest, scan, study.random(6))
    within_lungs(grid, patient, chest, scan, study.of_patient(7))
    infection = infect(grid, patient, chest, scan, study.random(8)) if study.ill else np.zeros(grid.shape, np.bool_)
    table(grid, patient.depth, scan)
    left, right = chest.left > 0.5, chest.right > 0.5
    masks = {"lung": left | right, "left_lung": left, "right_lung": right & ~left, "infection": infection}
    return measure(grid, study.scanner, scan, study.random(9)), masks


def _soft(grid: Grid, patient: Patient, chest: Thorax, rng: np.random.Generator) -> Field:
    """Returns skin, fat, muscle and the abdomen, in air."""
    scan = np.full(grid.shape, AIR, np.float32)
    lay(scan, chest.body, SKIN)
    lay(scan, chest.under_skin, FAT + 8 * grid.noise(rng, 15))
    lay(scan, chest.muscle, MUSCLE + 9 * grid.noise(rng, 12))
    z, y, x = grid.axes
    left = np.clip((x - 18 - 0.3 * y) / 8, 0, 1)
    organs = LIVER + (48 - LIVER) * left + 5 * grid.noise(rng, 20)
    lay(scan, chest.abdomen, organs)
    fat = np.clip((grid.noise(rng, 45) * 0.6 + left - 0.75) * 3, 0, 1) * chest.abdomen
    lay(scan, fat.astype(np.float32), FAT - 5)
    gas = ((x - 72) / 26) ** 2 + ((y + 42) / 17) ** 2 + ((z - patient.base + 22) / 16) ** 2
    if rng.random() < 0.7:
        lay(scan, grid.inside(((np.sqrt(gas) - 1) * 16).astype(np.float32)) * chest.abdomen, -880.0)
    return scan


def _lungs(grid: Grid, patient: Patient, chest: Thorax, scan: Field, rng: np.random.Generator) -> None:
    """Lays the lungs, denser towards the back on which the patient lies, with their fissures."""
    z, y, _ = grid.axes
    texture = LUNG + patient.lung + 0.35 * (y + 20) + 12 * grid.noise(rng, 30) + 10 * grid.noise(rng, 7)
    lay(scan, chest.left + chest.right, texture.astype(np.float32))
    tilt = rng.uniform(0.7, 1.0)
    oblique = (z - patient.base - 60) - tilt * (y - 10) + 3 * grid.noise(rng, 80)
    level = (z - patient.base - 82) + 3 * grid.noise(rng, 80)
    thin = grid.spacing[0] * 0.5
    for lung, surface in ((chest.left, oblique), (chest.right, oblique), (chest.right * (y < 0), level)):
        seen = np.clip(1 - np.abs(surface) / thin, 0, 1) * lung * 0.11
        lay(scan, seen.astype(np.float32), 0.0)
