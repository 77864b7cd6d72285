"""Large vessels, airways, and the trees of vessels and bronchi within the lungs."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lungseg.data.phantom.ct.grid import Field, Grid, ellipse, ellipsoid, lay, smallest
from lungseg.data.phantom.ct.thorax import AIR, BLOOD, Patient, Thorax

Point = NDArray[np.float64]  # x, y, z

CARINA = 108.0  # millimetres above the right dome
WALL = -120.0  # of bronchi, thinner than a voxel
THINNEST = 0.45  # millimetres: thinner vessels are not seen


@dataclass(frozen=True, eq=False)
class Tube:
    """Holds a straight piece of a vessel or an airway: two ends and a radius."""

    start: Point
    end: Point
    radius: float


def mediastinal(grid: Grid, patient: Patient, chest: Thorax, scan: Field, rng: np.random.Generator) -> None:
    """Lays heart, great vessels and airways into the fat of the mediastinum."""
    z, y, x = grid.axes
    x = x - np.float32(patient.lopsided)
    behind = np.clip((y - np.float32(patient.back - 14)) / 6, 0, 1)  # beside the spine lies muscle
    lay(scan, chest.mediastinum, (-75 + 110 * behind + 22 * grid.noise(rng, 12)).astype(np.float32))
    lay(scan, np.clip(chest.heart * 1.05, 0, 1), BLOOD + 4 * grid.noise(rng, 25))
    carina = patient.base + CARINA
    vessel = smallest([
        ellipse(x - 24, y - 36, (11.5, 11.5)) + 100 * (z > carina + 26),  # descending aorta
        ellipse(x + 12, y + 26, (15, 15)) + 100 * (np.abs(z - carina + 8) > 38),  # ascending aorta
        _arch(x, y, z - carina - 22),
        ellipse(x + 27, y + 16, (9, 10)) + 100 * (z < carina - 40),  # superior vena cava
        ellipsoid((z - carina + 16, y + 18, x - 12), (15, 15, 26)),  # pulmonary trunk
        ellipsoid((z - carina + 22, y - 2, np.abs(x) - 30), (11, 11, 20)),  # pulmonary arteries
        ellipse(x - 3, y - 30, (7, 6)),  # oesophagus
        *(ellipse(x - at, y + 12 - abs(at) / 4, (5.5, 5.5)) + 100 * (z < carina + 28) for at in (-15, 2, 17)),
    ])  # fmt: skip
    inner = np.clip(chest.mediastinum + (z > patient.top), 0, 1)
    lay(scan, (grid.inside(vessel.astype(np.float32)) * inner).astype(np.float32), BLOOD)
    trachea = np.minimum(
        ellipse(x + 2, y - 8, (9, 8)) + 100 * (z < carina),
        np.minimum(_bronchus(x, y, z - carina, -1), _bronchus(x, y, z - carina, 1)),
    ).astype(np.float32)
    lay(scan, grid.inside(trachea - 1.6), 20.0)
    lay(scan, grid.inside(trachea), AIR + 12)


def _arch(x: Field, y: Field, z: Field) -> Field:
    """Returns the distance from the aortic arch, a bow from the front right to the back left."""
    along = np.clip((y + 26) / 62, 0, 1)
    across = x + 12 - 36 * along
    height = z + 10 - 16 * np.sin(np.pi * along)
    beyond = np.maximum(np.abs(y - 5) - 33, 0)
    return np.asarray(np.sqrt(across**2 + height**2 + beyond**2) - 12, np.float32)


def _bronchus(x: Field, y: Field, z: Field, side: int) -> Field:
    """Returns the distance from a main bronchus, which falls from the carina to its lung."""
    along = np.clip(side * (x + 2) / 48, 0, 1)
    beyond = np.maximum(side * (x + 2) - 48, 0) + np.maximum(-side * (x + 2), 0)
    height = z + (44 if side < 0 else 34) * along
    return np.asarray(
        np.sqrt((height * 0.8) ** 2 + (y - 8 + 4 * along) ** 2 + beyond**2) - (7 - 1.5 * along), np.float32
    )


def within_lungs(grid: Grid, patient: Patient, chest: Thorax, scan: Field, rng: np.random.Generator) -> None:
    """Lays vessels and bronchi into the lungs, which branch from the hila and grow thin towards the pleura."""
    for side, lung in ((-1, chest.right), (1, chest.left)):
        hilum = np.array([side * 36 + patient.lopsided, 2, patient.base + (76 if side < 0 else 84)], np.float64)
        vessels, airways = _tree(grid, lung, hilum, side, rng)
        lay(scan, _painted(grid, vessels) * lung, BLOOD)
        lay(scan, _painted(grid, airways, wider=1.1) * lung * 0.8, WALL)
        lay(scan, _painted(grid, airways) * lung, AIR + 30)


def _tree(grid: Grid, lung: Field, hilum: Point, side: int, rng: np.random.Generator) -> tuple[list[Tube], list[Tube]]:
    """Grows arteries and veins towards points spread over the lung, and bronchi beside the thicker arteries."""
    vessels: list[Tube] = []
    airways: list[Tube] = []
    goals = _spread(grid, lung, rng, 64)
    for number, goal in enumerate(goals):
        start = hilum + rng.normal(0, 5, 3) * (1, 1, 1.6)
        radius = rng.uniform(2.2, 3.8) * min(1.0, float(np.linalg.norm(goal - start)) / 90 + 0.45)
        path = _grow(start, goal, radius, rng, vessels, depth=0)
        if number % 4 == 0:
            near = [Tube(tube.start + 3.2, tube.end + 3.2, max(tube.radius * 0.85, 1.0)) for tube in path]
            airways += near[: len(near) // 2 + 1]
    return vessels, airways


def _grow(
    start: Point, goal: Point, radius: float, rng: np.random.Generator, into: list[Tube], depth: int
) -> list[Tube]:
    """Adds a winding vessel from ``start`` to ``goal`` and branches on its way; returns its own pieces."""
    length = float(np.linalg.norm(goal - start))
    pieces = max(int(length / 14), 2)
    bend = rng.normal(0, length * 0.06, 3)
    at = np.linspace(0, 1, pieces + 1)
    points = start + (goal - start) * at[:, None] + bend * np.sin(np.pi * at)[:, None] + rng.normal(
        0, 1.2, (pieces + 1, 3)) * (at * (1 - at) * 4)[:, None]  # fmt: skip
    own = []
    for number, (first, second) in enumerate(pairwise(points)):
        thick = radius * (1 - 0.74 * at[number])
        own.append(Tube(first, second, thick))
        if depth < 2 and thick * 0.62 > THINNEST and number and rng.random() < 0.8:
            away = rng.normal(0, 1, 3)
            away -= away @ (goal - start) * (goal - start) / max(length**2, 1e-9)
            aside = (goal - start) / max(length, 1e-9) * 0.8 + away / max(float(np.linalg.norm(away)), 1e-9)
            _grow(first, first + aside * length * rng.uniform(0.22, 0.42), thick * 0.62, rng, into, depth + 1)
    into += own
    return own


def _spread(grid: Grid, lung: Field, rng: np.random.Generator, number: int) -> Point:
    """Returns points [number, 3] of a lung, most of them near its surface."""
    z, y, x = (axis.ravel() for axis in grid.axes)
    places = np.argwhere(lung > 0.6)
    chosen = places[rng.integers(len(places), size=number)]
    return np.stack([x[chosen[:, 2]], y[chosen[:, 1]], z[chosen[:, 0]]], axis=1).astype(np.float64)


def _painted(grid: Grid, tubes: list[Tube], wider: float = 0.0) -> Field:
    """Returns how much of each voxel the tubes fill; those thinner than a voxel fill part of it."""
    field = np.zeros(grid.shape, np.float32)
    axes = [axis.ravel() for axis in grid.axes]
    voxel = grid.spacing[1]
    for tube in tubes:
        radius = tube.radius + wider
        if tube.radius < THINNEST:
            continue
        reach = radius + np.array([grid.spacing[2], voxel, grid.spacing[0]])
        low, high = np.minimum(tube.start, tube.end) - reach, np.maximum(tube.start, tube.end) + reach
        limits = [(int(np.searchsorted(axis, low[2 - place])), int(np.searchsorted(axis, high[2 - place])))
                  for place, axis in enumerate(axes)]  # fmt: skip
        if any(first >= last for first, last in limits):
            continue
        z, y, x = (axis[first:last] for axis, (first, last) in zip(axes, limits, strict=True))
        part = _coverage(tube, radius, (z[:, None, None], y[None, :, None], x[None, None, :]), grid)
        here = field[tuple(slice(first, last) for first, last in limits)]
        np.maximum(here, part, out=here)
    return field


def _coverage(tube: Tube, radius: float, at: tuple[Field, Field, Field], grid: Grid) -> Field:
    z, y, x = (axis - np.float32(tube.start[2 - place]) for place, axis in enumerate(at))
    along = (tube.end - tube.start).astype(np.float32)
    share = np.clip((x * along[0] + y * along[1] + z * along[2]) / max(float(along @ along), 1e-6), 0, 1)
    thick = max(grid.spacing[0] / grid.spacing[1], 1.0)  # a slice is thicker than a pixel is wide
    across = (x - share * along[0]) ** 2 + (y - share * along[1]) ** 2 + ((z - share * along[2]) / thick) ** 2
    voxel = np.float32(grid.spacing[1])
    filled = min(1.0, (2 * radius / float(voxel)) ** 1.4)
    return np.asarray(np.clip((radius + 0.5 * voxel - np.sqrt(across)) / voxel, 0, 1) * filled, np.float32)
