"""Ribs, clavicles, shoulder blades and spine, as attenuation added to the soft tissue's."""

import numpy as np

from lungseg.data.phantom.geometry import AXIS, Array, Frame, curve, dome, step
from lungseg.data.phantom.lungs import Lung
from lungseg.data.phantom.patient import Body

PHASES = 512


def skeleton(frame: Frame, body: Body, pair: tuple[Lung, Lung]) -> Array:
    """All bones."""
    bones = _ribs(frame, body, pair)
    bones += _spine(frame)
    bones += _clavicles(frame, body)
    bones += _shoulders(frame, body)
    bones *= body.bone
    return bones


def _tube(t: Array) -> Array:
    """Across a hollow bone: 0 at ``|t|`` = 1, brightest at the cortex."""
    t = np.abs(t)
    return np.clip((1 - t) / 0.22, 0, 1) * (0.6 + 0.4 * np.clip(t / 0.8, 0, 1) ** 4)


def _ribs(frame: Frame, body: Body, pair: tuple[Lung, Lung]) -> Array:
    """Each rib is a hoop around the chest: its hind half runs out and down, its fore half back in and further down."""
    wall = np.where(frame.x < 0, frame.along_y(pair[0].wall), frame.along_y(pair[1].wall)) + 0.035
    side = np.clip(np.abs(frame.x) / np.maximum(wall, 0.3), 0, 0.9999)
    cell = (side * PHASES).astype(np.intp)
    s = (np.arange(PHASES) + 0.5) / PHASES
    turn = np.sqrt(1 - s**2)
    behind = body.rib_slope * (0.27 * (1 - turn) - 0.035 * np.sin(np.pi * np.minimum(s * 1.6, 1)))
    ahead = body.rib_slope * 0.27 * (1 + turn)
    edge = 1 - 0.65 * np.clip((s - 0.9) / 0.08, 0, 1)
    shell = np.clip((s - 0.93) / 0.05, 0, 1)
    hind = _hoops(frame, body, behind[cell], 0.21) * (edge * (s > 0.08) * np.minimum(1, s / 0.15))[cell]
    fore = _hoops(frame, body, ahead[cell], 0.24) * (edge * np.clip((s - 0.42) / 0.2, 0, 1))[cell]
    cage = np.clip((wall - np.abs(frame.x)) / 0.012, 0, 1)
    return cage * (0.085 * hind + 0.05 * fore + 0.03 * shell[cell])


def _hoops(frame: Frame, body: Body, drop: Array, half: float) -> Array:
    """Bands one gap apart, ``half`` a gap wide to either side, lowered by ``drop``."""
    order = (frame.y - drop + 0.85 + body.rib_shift) / body.rib_gap
    number = np.floor(order)
    phase = ((order - number) * PHASES).astype(np.intp)
    t = ((np.arange(PHASES) + 0.5) / PHASES - 0.5) / half
    profile = _tube(t) * (1 + 0.25 * t)
    return profile[phase] * np.clip(order, 0, 1) * np.clip((10.5 - order) / 4, 0.1, 1)


def _spine(frame: Frame) -> Array:
    width = curve([(-1, 0.062), (-0.3, 0.068), (0.4, 0.085), (1, 0.1)], 0.3)
    t = np.abs(frame.x) / frame.along_y(width)
    phase = AXIS / (0.135 + 0.012 * AXIS)
    wave = np.cos(2 * np.pi * phase)
    body = np.clip((1 - t) / 0.3, 0, 1) * frame.along_y(0.85 + 0.15 * np.clip(wave * 2, -1, 1))
    pedicle, process = (np.clip(np.cos(2 * np.pi * phase - lag), 0, 1) for lag in (0.9, 2.6))
    arch = np.clip(1 - np.abs(t - 0.62) / 0.2, 0, 1) * frame.along_y(pedicle**2)
    thorn = np.clip(1 - t / 0.16, 0, 1) * frame.along_y(process)
    return 0.085 * body + 0.04 * arch + 0.04 * thorn


def _clavicles(frame: Frame, body: Body) -> Array:
    lift = body.clavicle
    course = [(0.04, -0.6), (0.2, -0.655), (0.4, -0.72 - 0.3 * lift), (0.6, -0.765 - lift)]
    course += [(0.8, -0.79 - lift), (1.0, -0.77 - lift)]
    girth = [(0.03, 0.04), (0.15, 0.03), (0.5, 0.024), (0.9, 0.032)]
    line = curve(sorted((side * x, y) for x, y in course for side in (-1, 1)), 0.09)
    thick = curve(sorted((side * x, half) for x, half in girth for side in (-1, 1)), 0.1)
    reach = dome((np.abs(AXIS) - 0.04) / 0.04) * dome((0.92 - np.abs(AXIS)) / 0.04)
    tilt = reach / np.maximum(thick, 1e-3) / np.sqrt(1 + np.gradient(line, AXIS) ** 2)
    t = (frame.y - frame.along_x(line)) * frame.along_x(tilt)
    return 0.13 * _tube(t) * frame.along_x(reach)


def _shoulders(frame: Frame, body: Body) -> Array:
    """Shoulder blade, its spine, and the head and shaft of the humerus."""
    x, y = np.abs(frame.x) / body.chest, frame.y - 0.5 * body.shoulder
    medial = x - (0.53 + 0.17 * (y + 0.68))
    lateral = (0.93 - 0.42 * (y + 0.6)) - x
    above = y + 0.7 - 0.1 * (x - 0.5)
    inside = np.minimum(np.minimum(medial, lateral * 0.9), above)
    blade = np.clip(inside / 0.012, 0, 1) * (0.3 + 0.7 * np.clip(1 - inside / 0.03, 0, 1))
    ridge = np.clip(1 - np.abs(y + 0.62 + 0.3 * (x - 0.55)) / 0.03, 0, 1)
    ridge *= step((x - 0.55) / 0.1) * step((1.02 - x) / 0.06)
    head = dome((0.115 - np.sqrt((x - 1.0) ** 2 + (y + 0.56) ** 2)) / 0.12)
    shaft = _tube((x - 1.06 - 0.12 * (y + 0.5)) / 0.06) * (y > -0.56)
    return 0.055 * blade + 0.06 * ridge + 0.11 * np.maximum(head, shaft)
