"""Opacities: how much of the lungs' air is replaced, as fields in 0..1."""

from dataclasses import dataclass

import numpy as np

from lungseg.data.phantom.geometry import Array, Frame, look_up, step
from lungseg.data.phantom.lungs import Lung


@dataclass(frozen=True)
class Opacity:
    """``filling`` is the share of air that is replaced, ``infection`` where it is COVID-19's (bool)."""

    filling: Array
    infection: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def healthy(frame: Frame) -> Opacity:
    """No opacity."""
    shape = frame.x.shape
    return Opacity(np.zeros(shape), np.zeros(shape, np.bool_))


def ground_glass(
    frame: Frame, rng: np.random.Generator, pair: tuple[Lung, Lung], severity: float, contrast: float
) -> Opacity:
    """Patches, mostly at the base and the pleura; ``severity`` in 0..1 decides how much of the lungs they cover."""
    share = 0.02 + 0.45 * severity * rng.uniform(0.5, 1.05)
    inside = np.maximum(pair[0].depth, pair[1].depth) > 0
    pull = _patches(frame, rng, pair, share)
    level = np.quantile(pull[inside], 1 - share)
    soft = rng.uniform(0.3, 0.55)
    ramp = step((pull - level) / soft + 0.28)
    grain = 1 + 0.1 * frame.noise(rng, 36) + 0.1 * frame.noise(rng, 72)
    density = rng.uniform(0.4, 0.75) * contrast
    return Opacity(np.clip(ramp * grain * density, 0, 0.95) * inside, inside & (pull > level))


def _patches(frame: Frame, rng: np.random.Generator, pair: tuple[Lung, Lung], share: float) -> Array:
    """High where patches are."""
    first = int(rng.integers(0, 2))
    lonely = rng.random() < 0.12
    field = 0.2 * frame.noise(rng, 8) + 0.13 * frame.noise(rng, 17) + 0.06 * frame.noise(rng, 34)
    for number in range(int(rng.integers(5, 10))):
        lung = pair[first if lonely else (first + number) % 2]
        y = rng.uniform(-0.45, 0.2) if rng.random() < 0.35 else rng.uniform(0.0, 0.5)
        wall, hilar = look_up(lung.wall, np.array([y]))[0], look_up(lung.hilar, np.array([y]))[0]
        across = wall - (wall - hilar) * rng.uniform(0.05, 0.55)
        y = min(y, look_up(lung.floor, np.array([lung.side * across]))[0] - 0.03)
        size = rng.uniform(0.08, 0.16) + 0.12 * share
        off = ((frame.x - lung.side * across) / size) ** 2 + ((frame.y - y) / (size * rng.uniform(0.7, 1.4))) ** 2
        field += rng.uniform(0.6, 1.0) / (1 + off) ** 1.5
    pleura = np.where(frame.x < 0, pair[0].pleura, pair[1].pleura)
    return field + 0.35 * step(1 - pleura / 0.2) * step((frame.y + 0.6) / 0.5)


def consolidation(
    frame: Frame, rng: np.random.Generator, pair: tuple[Lung, Lung], severity: float, contrast: float
) -> Opacity:
    """One lobe or a segment of it, dense and even, sharp along the fissure; sometimes with fluid at the base."""
    lung = pair[int(rng.random() < 0.42)]
    lobe = ("upper", "middle", "lower")[int(rng.integers(0, 3))]
    slope = rng.uniform(-0.15, 0.2) if lung.side < 0 else rng.uniform(0.15, 0.5)
    fissure = rng.uniform(-0.16, 0.0) + slope * (lung.across - 0.4) + 0.03 * frame.noise(rng, 4)
    reach, blur = 0.12 + 0.45 * severity + 0.04 * frame.noise(rng, 8), rng.uniform(0.1, 0.2)
    below = frame.y - fissure
    if lobe == "upper":
        shape = step(-below / 0.014) * step((below + reach + blur) / blur)
    elif lobe == "middle":
        shape = step(below / 0.014) * step((reach + blur - below) / blur) * step((0.62 - lung.across) / 0.2)
    else:
        shape = step((below - 0.16 + 0.25 * (lung.across - 0.35)) / 0.05) * step((lung.across + reach - 0.3) / blur)
    inside = lung.depth > 0
    even = 1 + 0.07 * frame.noise(rng, 10) + 0.05 * frame.noise(rng, 40)
    filling = shape * even * rng.uniform(0.38, 0.72) * contrast
    if rng.random() < 0.4:
        filling = np.maximum(filling, 0.85 * _effusion(frame, rng, lung))
    return Opacity(np.clip(filling, 0, 0.97) * inside, np.zeros(inside.shape, np.bool_))


def _effusion(frame: Frame, rng: np.random.Generator, lung: Lung) -> Array:
    """Fluid with a meniscus that climbs the chest wall."""
    corner = look_up(lung.floor, np.array([lung.side * 0.6]))[0]
    height = rng.uniform(0.08, 0.25)
    top = corner - height * step((lung.across - 0.25) / 0.45) + 0.05
    return step((frame.y - top) / 0.06)
