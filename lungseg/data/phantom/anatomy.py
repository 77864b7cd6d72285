"""Soft tissue and gas as attenuation: the chest's middle is about 1, air 0."""

import numpy as np

from lungseg.data.phantom.geometry import AXIS, Array, Frame, Knots, curve, dome, look_up, step
from lungseg.data.phantom.lungs import Lung
from lungseg.data.phantom.patient import Body


def soft_tissue(frame: Frame, body: Body, pair: tuple[Lung, Lung]) -> Array:
    """Body, lungs, heart, belly and windpipe."""
    tissue = _trunk(frame, body)
    air = sum(dome(lung.depth / 0.26) for lung in pair)
    cavity = sum(dome(np.minimum(lung.pleura + 0.13, 1) / 0.4) * (lung.across > -0.02) for lung in pair)
    tissue = tissue * (1 - 0.16 * np.minimum(cavity, 1) - 0.52 * air)
    heart = _heart(frame, pair)
    belly = _belly(frame, pair)
    throat = frame.along_x(dome((0.055 - np.abs(AXIS - 0.012)) / 0.05))
    throat *= frame.along_y(curve([(-1.2, 1), (-0.4, 1), (-0.28, 0)], 0.05))
    return tissue + np.maximum(0.2 * heart, 0.26 * belly) - 0.11 * throat * (tissue > 0.3)


def _trunk(frame: Frame, body: Body) -> Array:
    """Neck, shoulders, flanks and arms, as if the chest were full."""
    far = np.abs(frame.x)
    side = body.chest * 0.71 + body.torso * body.fat
    flanks: Knots = [
        (-0.35, 1.7),
        (-0.2, side + 0.25),
        (0.0, side + 0.05),
        (0.25, side),
        (0.7, side),
        (1.2, side + 0.1),
    ]
    width = frame.along_y(curve(flanks, 0.12))
    depth = body.fat * frame.along_y(curve([(-1.2, 0.6), (-0.7, 0.75), (-0.2, 0.95), (0.3, 1), (1, 1.08)], 0.3))
    skin = dome((frame.y - frame.along_x(_shoulder_line(body))) / 0.3)
    trunk = depth * dome((width - far) / width * 1.15) ** 0.75 * skin
    spread = frame.pose.raised
    armpit: Knots = [(-0.05, side + 0.06), (0.4, side + 0.06 + 0.4 * spread), (1.0, side + 0.1 + 0.9 * spread)]
    arm = 0.62 * body.fat * dome((far - frame.along_y(curve(armpit, 0.15))) / 0.3) * skin * (frame.y > -0.4)
    return np.maximum(trunk, arm)


def _shoulder_line(body: Body) -> Array:
    """The y over x at which the body begins: neck, then slopes."""
    top = body.shoulder - 0.8
    half = [(0.2, -2.5), (0.24, top - 0.55), (0.28, top - 0.36), (0.34, top - 0.25), (0.43, top - 0.18)]
    half += [(0.6, top - 0.12), (0.9, top - 0.02), (1.15, top + 0.1), (1.7, top + 0.5)]
    return curve(sorted((side * x, y) for x, y in half for side in (-1, 1)), 0.04)


def _heart(frame: Frame, pair: tuple[Lung, Lung]) -> Array:
    """1 in the middle of the heart, rounding to 0 at its borders; narrower and fainter above."""
    right, left = (frame.along_y(lung.hilar) for lung in pair)
    middle, half = (left - right) / 2, (left + right) / 2
    off = np.abs(frame.x - middle) / half
    fade = frame.along_y(curve([(-0.9, 0.3), (-0.5, 0.45), (-0.25, 0.55), (0.1, 1), (0.4, 1), (0.7, 0.5)], 0.15))
    return dome((1 - off) * 1.2) * fade


def _belly(frame: Frame, pair: tuple[Lung, Lung]) -> Array:
    """Rises from the diaphragm downwards."""
    lower = sum(step((-(lung.pleura)) / 0.35) * (lung.across > 0) for lung in pair)
    return lower * step((frame.y - 0.1) / 0.2)


def bubble(frame: Frame, rng: np.random.Generator, pair: tuple[Lung, Lung]) -> Array:
    """Gas in the stomach: a pocket with a fluid level under the left diaphragm, 1 at its deepest; in most films."""
    there = rng.uniform(0.4, 1) * (rng.random() < 0.6)
    x, size, level = rng.uniform(0.2, 0.45), rng.uniform(0.06, 0.17), rng.uniform(0.0, 0.35)
    top = look_up(pair[1].floor, np.array([x]))[0] + 0.025
    y = top + 0.55 * size
    off = ((frame.x - x) / size) ** 2 + ((frame.y - y) / (0.55 * size)) ** 2
    return there * dome((1 - off) / 1.2) * step((y + level * size - frame.y) / 0.03)


def breasts(frame: Frame, body: Body) -> Array:
    """Two soft discs with a crisp lower edge."""
    far = np.abs(frame.x) - 0.46 * body.chest
    off = (far / 0.36) ** 2 + ((frame.y - 0.22) / np.where(frame.y > 0.22, 0.27, 0.5)) ** 2
    return 0.13 * body.breast * dome(1 - off) * step((far + 0.36) / 0.5)
