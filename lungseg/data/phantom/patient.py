"""Whose film it is, and how they stand."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Body:
    """What a patient keeps from film to film. Factors are around 1, lengths in units, ``severity`` in 0..1."""

    chest: float
    torso: float
    heart: float
    knob: float
    apex: float
    taper: float
    liver: float
    stomach: float
    lopsided: float
    shoulder: float
    fat: float
    breast: float
    rib_gap: float
    rib_slope: float
    rib_shift: float
    bone: float
    clavicle: float
    severity: float
    bend: float
    wobble: tuple[float, ...]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Body":
        """A patient."""
        return cls(
            chest=rng.uniform(0.9, 1.1),
            torso=rng.uniform(0.17, 0.3),
            heart=rng.uniform(0.82, 1.2),
            knob=rng.uniform(0.6, 1.4),
            apex=rng.uniform(-0.84, -0.72),
            taper=rng.uniform(-0.04, 0.05),
            liver=rng.uniform(-0.05, 0.07),
            stomach=rng.uniform(-0.02, 0.08),
            lopsided=rng.uniform(-0.03, 0.03),
            shoulder=rng.uniform(-0.06, 0.08),
            fat=rng.uniform(0.9, 1.12),
            breast=rng.uniform(0.4, 1.0) * (rng.random() < 0.4),
            rib_gap=rng.uniform(0.128, 0.15),
            rib_slope=rng.uniform(0.75, 1.35),
            rib_shift=rng.uniform(-0.06, 0.06),
            bone=rng.uniform(0.85, 1.35),
            clavicle=rng.uniform(-0.05, 0.06),
            severity=rng.random(),
            bend=rng.uniform(-0.012, 0.012),
            wobble=tuple(rng.uniform(-1, 1, 24).tolist()),
        )


@dataclass(frozen=True)
class Pose:
    """How a patient stands before one film: ``angle`` in radians, ``shift`` and ``bend`` (of the spine) in units.

    ``breath`` lowers the diaphragm by so many units; ``raised`` in 0..1 says how far the arms are off the sides.
    """

    angle: float
    zoom: float
    shift: tuple[float, float]
    bend: float
    breath: float
    raised: float

    @classmethod
    def draw(cls, rng: np.random.Generator, bend: float) -> "Pose":
        """A film of a patient whose spine has this ``bend``."""
        return cls(
            angle=float(np.radians(rng.uniform(-1, 1) ** 3 * 7 + rng.uniform(-1, 1))),
            zoom=rng.uniform(0.88, 1.2),
            shift=(rng.uniform(-0.07, 0.07), rng.uniform(-0.08, 0.08)),
            bend=bend,
            breath=rng.uniform(-0.04, 0.16),
            raised=rng.random(),
        )
