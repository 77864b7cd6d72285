"""The two lungs: their outlines, and the vessels in them."""

from dataclasses import dataclass

import numpy as np

from lungseg.data.phantom.geometry import AXIS, Array, Frame, curve, dome, look_up
from lungseg.data.phantom.patient import Body


@dataclass(frozen=True)
class Lung:
    """One lung. ``side`` is -1 for the right (at the picture's left), 1 for the left.

    Tables run over y (``wall``, ``hilar``: distance from the midline) or over x (``floor``: y). Fields: ``depth`` is
    the distance inside the outline, negative outside; ``pleura`` that to the chest wall or the diaphragm; ``across``
    the distance from the midline to this side.
    """

    side: int
    wall: Array
    hilar: Array
    floor: Array
    depth: Array
    pleura: Array
    across: Array


def lungs(frame: Frame, body: Body) -> tuple[Lung, Lung]:
    """Right and left."""
    return _lung(frame, body, -1), _lung(frame, body, 1)


def _lung(frame: Frame, body: Body, side: int) -> Lung:
    breath = frame.pose.breath
    wobble = body.wobble[:12] if side < 0 else body.wobble[12:]
    apex = body.apex + 0.02 * wobble[0]
    width = body.chest * (1 + 0.5 * body.lopsided * side)
    walls = [(-1.0, 0.42), (-0.62, 0.47), (-0.4, 0.565), (-0.1, 0.645), (0.2, 0.69), (0.5, 0.71), (0.9, 0.7)]
    bumps = [wobble[k] * 0.014 for k in range(1, 8)]
    slant = [body.taper * (y - 0.3) for y, _ in walls]
    wall = curve([(y, (x + e + s) * width) for (y, x), e, s in zip(walls, bumps, slant, strict=True)], 0.16)
    hilar = curve(_hilar_border(body, breath, side, wobble), 0.05)
    rise = dome((AXIS - apex) / 0.3)
    tip = 0.27 + 0.02 * wobble[8]
    wall, hilar = tip + (wall - tip) * rise, tip + (hilar - tip) * rise**1.3
    floor = curve(_diaphragm(body, breath, side, wobble, width), 0.1)
    tilt = 1 / np.sqrt(1 + np.gradient(floor, AXIS) ** 2)
    across = side * frame.x
    outer = frame.along_y(wall) - across
    below = (frame.along_x(floor) - frame.y) * frame.along_x(tilt)
    inner = across - frame.along_y(hilar)
    pleura = np.minimum(outer, below)
    edge = np.where(frame.y > apex, np.minimum(pleura, inner), -1.0)
    soft = 1 / np.sqrt(sum(1 / np.maximum(distance, 1e-4) ** 2 for distance in (outer, below, inner)))
    return Lung(side, wall, hilar, floor, np.where(edge > 0, soft, edge), pleura, across)


def _hilar_border(body: Body, breath: float, side: int, wobble: tuple[float, ...]) -> list[tuple[float, float]]:
    """The heart, great vessels and hilum seen from one lung."""
    big, knob = body.heart * (1 + 0.05 * wobble[9]), body.knob
    if side < 0:
        knots = [(-1.0, 0.1), (-0.55, 0.085), (-0.4, 0.1), (-0.2, 0.115), (-0.08, 0.13), (0.05, 0.15 * big)]
        knots += [(0.18, 0.185 * big), (0.32, 0.17 * big), (0.5, 0.14), (1.0, 0.12)]
    else:
        knots = [(-1.0, 0.1), (-0.66, 0.09), (-0.56, 0.09), (-0.48, 0.085 + 0.05 * knob), (-0.4, 0.085 + 0.05 * knob)]
        knots += [(-0.3, 0.1), (-0.2, 0.14), (-0.1, 0.17 * big), (0.0, 0.24 * big), (0.1, 0.32 * big)]
        knots += [(0.2, 0.375 * big), (0.3, 0.395 * big), (0.38, 0.385 * big), (0.5, 0.33 * big), (1.0, 0.25)]
    return [(y + breath * (y > -0.25), x) for y, x in knots]


def _diaphragm(
    body: Body, breath: float, side: int, wobble: tuple[float, ...], width: float
) -> list[tuple[float, float]]:
    """From the midline over the dome down to the costophrenic angle."""
    top = breath + (0.2 + body.liver if side < 0 else 0.27 + body.stomach) + 0.015 * wobble[10]
    angle = 0.56 + 0.6 * breath + 0.04 * wobble[11]
    shape = [(0.0, top + 0.13), (0.13, top + 0.08), (0.25, top + 0.01), (0.37, top - 0.005), (0.48, top + 0.035)]
    shape += [(0.57, top * 0.7 + angle * 0.3), (0.65, top * 0.3 + angle * 0.7)]
    shape += [(0.72, angle + 0.03), (0.85, angle + 0.12)]
    return sorted((side * x * width, y) for x, y in shape)


def vessels(frame: Frame, rng: np.random.Generator, pair: tuple[Lung, Lung]) -> Array:
    """Arteries and veins that branch from both hila and thin out towards the pleura."""
    trees = [_tree(rng, lung) for lung in pair]
    field = np.zeros(frame.x.shape)
    for level, (sigma, gain) in enumerate(((0.014, 16), (0.007, 22), (0.004, 30))):
        x, y, mass = (np.concatenate([tree[level][part] for tree in trees]) for part in range(3))
        field += frame.splat(x, y, mass * gain, sigma)
    return field


def _tree(rng: np.random.Generator, lung: Lung, count: int = 20) -> list[tuple[Array, Array, Array]]:
    """Points (x, y, mass) of stems, branches and twigs."""
    y = -0.13 + 0.04 * (lung.side < 0) + rng.uniform(-0.03, 0.03)
    x = look_up(lung.hilar, np.array([y]))[0] + 0.02
    fan = np.linspace(-1, 1, count)
    angle = 1.45 * np.sign(fan) * np.abs(fan) ** 0.65 + rng.uniform(-0.15, 0.15, count)
    start = np.stack([np.full(count, x), y + 0.11 * np.sin(angle) + rng.uniform(-0.03, 0.03, count)])
    length, width = rng.uniform(0.35, 0.75, count), rng.uniform(0.010, 0.017, count)
    tree = []
    for forks_each in (3, 2, 1):
        path, heading, t = _paths(start, angle, length, rng.uniform(-1.1, 1.1, angle.size))
        caliber = width[:, None] * (1 - 0.75 * t)
        mass = caliber**2 * length[:, None] / t.shape[1]
        tree.append((lung.side * path[0].ravel(), path[1].ravel(), mass.ravel()))
        each, forks = np.arange(angle.size), rng.integers(5, 36, (forks_each, angle.size))
        turn = rng.uniform(0.25, 0.9, forks.shape) * np.where(rng.random(forks.shape) < 0.5, -1, 1)
        start = np.concatenate([path[:, each, fork] for fork in forks], axis=1)
        angle = (heading[each, forks] + turn).ravel()
        width = caliber[each, forks].ravel() * 0.75
        length = np.maximum(length * (1 - t[0, forks]), 0.12).ravel() * rng.uniform(0.4, 0.8, angle.size)
    return tree


def _paths(start: Array, angle: Array, length: Array, bend: Array) -> tuple[Array, Array, Array]:
    """Bent lines: points [2, N, 48], their heading [N, 48] and place along the line [1, 48] in 0..1."""
    t = (np.arange(48) / 48)[None]
    heading = angle[:, None] + bend[:, None] * (t - 0.3) * length[:, None] * 1.5
    ahead = np.cumsum(np.stack([np.cos(heading), np.sin(heading)]), axis=2) * length[:, None] / 48
    return start[:, :, None] + ahead, heading, t
