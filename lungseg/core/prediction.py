"""Holds what was predicted of one case, an X-ray or a volume, at its own size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask, Probabilities


@dataclass(frozen=True, eq=False)
class Prediction:
    """Holds the probabilities of one case, each region's [K, H, W] or [K, Z, Y, X] and each class's by name.

    ``spacing``: millimetres from one element to the next along each axis, where it is known. ``affine`` [4, 4] leads
    from a volume's indices to millimetres.
    """

    case_id: str
    probabilities: Probabilities
    classes: Mapping[str, float] = field(default_factory=dict)
    spacing: tuple[float, ...] | None = None
    affine: NDArray[np.float64] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns the size of the case, without the axis of regions."""
        return self.probabilities.shape[1:]

    def mask(self, thresholds: float | Sequence[float]) -> Mask:
        """Returns where each region is more probable than its threshold, or than one for all."""
        limits = np.asarray(thresholds, np.float32)
        if limits.ndim:
            limits = limits.reshape(-1, *[1] * len(self.shape))
        return np.asarray(self.probabilities > limits, np.bool_)

    def but(self, probabilities: Probabilities) -> "Prediction":
        """Returns the same case with other probabilities of its regions."""
        return replace(self, probabilities=probabilities)


def certain(mask: Mask, like: Prediction) -> Prediction:
    """Returns a prediction [K, ...] that is sure of itself, of the same case as another."""
    return replace(like, probabilities=mask.astype(np.float32), classes={})


def mean(members: Sequence[Prediction]) -> Prediction:
    """Averages what several predict of one case."""
    first = members[0]
    total = np.mean([member.probabilities for member in members], axis=0, dtype=np.float32)
    probabilities: Probabilities = np.asarray(total)
    classes = {name: float(np.mean([member.classes[name] for member in members])) for name in first.classes}
    return replace(first, probabilities=probabilities, classes=classes)
