"""From attenuation to a film: devices in the beam, scatter, noise, processing, collimation, markers."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from lungseg.data.phantom.geometry import Array, Frame, step

GLYPHS = {
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "R": ("11110", "10001", "10001", "11110", "10100", "10010", "10001"),
    "P": ("11110", "10001", "10001", "11110", "10000", "10000", "10000"),
    "A": ("01110", "10001", "10001", "11111", "10001", "10001", "10001"),
}


@dataclass(frozen=True)
class Difficulty:
    """``contrast`` and ``noise`` are factors on opacities and grain, ``clutter`` the chance of each kind of device."""

    contrast: float
    noise: float
    clutter: float


DIFFICULTIES = {
    "easy": Difficulty(1.5, 0.5, 0.1),
    "normal": Difficulty(1.0, 1.0, 0.3),
    "hard": Difficulty(0.6, 1.6, 0.6),
}


def devices(frame: Frame, rng: np.random.Generator, clutter: float) -> Array:
    """Electrodes with leads, a line and a tube, as attenuation."""
    field = np.zeros(frame.x.shape)
    if rng.random() < clutter:
        for _ in range(int(rng.integers(1, 4))):
            x, y = rng.uniform(-0.75, 0.75), rng.uniform(-0.7, 0.6)
            off = np.sqrt((frame.x - x) ** 2 + (frame.y - y) ** 2)
            field += 0.06 * step((0.042 - off) / 0.006) + 0.22 * step((0.016 - off) / 0.006)
            field += _wire(frame, rng, (x, y), (x + rng.uniform(-0.7, 0.7), 1.4), 0.006, 0.1)
    if rng.random() < clutter * 0.6:
        field += _wire(frame, rng, (rng.uniform(-0.5, -0.3), -1.3), (-0.07, rng.uniform(-0.2, 0.1)), 0.006, 0.14)
    if rng.random() < clutter * 0.4:
        tip = rng.uniform(-0.5, -0.3)
        field += _wire(frame, rng, (rng.uniform(-0.03, 0.04), -1.4), (0.012, tip), 0.012, 0.09)
    return field


def _wire(
    frame: Frame,
    rng: np.random.Generator,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
    height: float,
) -> Array:
    """A bent line of attenuation ``height``."""
    t = np.arange(1500) / 1500
    long = np.hypot(end[0] - start[0], end[1] - start[1])
    sag = 4 * t * (1 - t)
    sway = 0.16 * long * (rng.uniform(-1, 1) * sag + 0.5 * rng.uniform(-1, 1) * np.sin(7 * t) * sag)
    x = start[0] + (end[0] - start[0]) * t + sway
    y = start[1] + (end[1] - start[1]) * t + 0.3 * sway
    return frame.splat(x, y, np.full(1500, height * long / 1500 * width * 2.5), width)


def expose(frame: Frame, rng: np.random.Generator, attenuation: Array, noise: float) -> Array:
    """The film's brightness in 0..1: dense parts are bright."""
    tilt = rng.uniform(-0.05, 0.05, 2)
    scatter, local = rng.uniform(0.04, 0.16), rng.uniform(0.0, 0.55)
    low, high, gamma = rng.uniform(0.16, 0.27), rng.uniform(1.08, 1.35), rng.uniform(0.75, 1.15)
    dose, blur, crisp = rng.uniform(0.002, 0.009), rng.uniform(0.0012, 0.003), rng.uniform(0.1, 0.9)
    attenuation = attenuation + tilt[0] * frame.film[None, :] + tilt[1] * frame.film[:, None]
    beam = np.exp(-2.6 * attenuation)
    beam = (1 - scatter) * beam + scatter * frame.broad(beam, 0.25)
    seen = np.log(beam) * (-1 / 2.6)
    grain = rng.random((3, frame.pixels, frame.pixels)).sum(0) - 1.5
    seen += grain * (dose * noise * 2) * np.exp(np.clip(seen, 0, 1.5))
    seen = np.asarray(gaussian_filter(seen, blur * frame.pixels / 2 * 1.6, truncate=3))
    if local > 0.15:
        seen = seen - local * (frame.broad(seen, 0.3) - 0.65)
        low, high = low + 0.25 * local, high - 0.2 * local
    seen += crisp * (seen - gaussian_filter(seen, 0.012 * frame.pixels, truncate=2))
    t = np.clip((seen - low) / (high - low), 0, 1)
    return np.asarray(t**gamma)


def mark(frame: Frame, rng: np.random.Generator, film: Array) -> Array:
    """Letters for the side and the view, on some films; brightness in 0..1 -> 0..255, not yet rounded."""
    if rng.random() < 0.6:
        letter, side = ("R", -1) if rng.random() < 0.6 else ("L", 1)
        u, v, height = rng.uniform(0.72, 0.9), rng.uniform(-0.92, -0.7), rng.uniform(0.05, 0.1)
        _write(frame, film, letter, (side * u, v), height, rng.uniform(0.7, 1))
        if rng.random() < 0.3:
            view = "PA" if rng.random() < 0.6 else "AP"
            _write(frame, film, view, (-side * rng.uniform(0.7, 0.85), rng.uniform(-0.92, -0.8)), 0.05, 0.95)
    return film * 255


def collimation(frame: Frame, rng: np.random.Generator) -> Array:
    """1 where the beam reaches the film, 0 behind the shutters, which are in about a third of the films."""
    there, angle = rng.random() < 0.35, rng.uniform(-0.03, 0.03)
    edges = rng.uniform(0.87, 1.2, 4)
    if not there:
        return np.ones((frame.pixels, frame.pixels))
    u, v = frame.film[None, :], frame.film[:, None]
    across, down = u + angle * v, v - angle * u
    inside = np.minimum(np.minimum(edges[0] - across, edges[1] + across), np.minimum(edges[2] - down, edges[3] + down))
    return np.asarray(np.clip(inside / 0.012, 0, 1))


def _write(frame: Frame, film: Array, text: str, at: tuple[float, float], height: float, ink: float) -> None:
    """Letters centred at a place of the film."""
    u, v = at
    for number, letter in enumerate(text):
        bits = np.pad(np.array([[int(bit) for bit in row] for row in GLYPHS[letter]], np.float64), 1)
        left = u + (number - len(text) / 2) * height * 0.95
        rows = (frame.film - v) / height * 7 + 4
        columns = (frame.film - left) / (height * 0.75) * 5 + 0.5
        rows_in = np.flatnonzero((rows > -0.5) & (rows < 8.5))
        columns_in = np.flatnonzero((columns > -0.5) & (columns < 6.5))
        down = np.clip(1 - np.abs(rows[rows_in, None] - np.arange(9)), 0, 1)
        over = np.clip(1 - np.abs(columns[columns_in, None] - np.arange(7)), 0, 1)
        ink_map = step((np.einsum("ri,ij,cj->rc", down, bits, over) - 0.3) / 0.35)
        box = np.ix_(rows_in, columns_in)
        film[box] += ink_map * (ink - film[box])
