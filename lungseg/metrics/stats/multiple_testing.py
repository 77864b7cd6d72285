"""Many tests at once: p-values that account for how many there were, and which differences are sure."""

import numpy as np
from numpy.typing import NDArray

from lungseg.metrics.stats.patient_weights import Floats

SURE = 0.05


def holm(p: Floats) -> Floats:
    """Adjusted p-values [M] that bound the chance of one false alarm or more; NaN stays NaN and is not counted."""
    adjusted = np.array(p, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(adjusted))
    order = tested[np.argsort(adjusted[tested], kind="stable")]
    times = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * times), 1)
    return adjusted


def holm_over_pairs(p: Floats) -> Floats:
    """Adjusts p-values [R, R] of each with each; a pair is one test, though it stands there twice."""
    upper = np.triu_indices(len(p), 1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[upper] = holm(p[upper])
    adjusted.T[upper] = adjusted[upper]
    return adjusted


def sure(adjusted: Floats, low: Floats, high: Floats) -> NDArray[np.bool_]:
    """Tells which differences are sure, the only place that does: by p after its correction, and by the interval.

    All three of one shape. Both must say so: the test is exact only for patients' scores that could be swapped, and
    rejects too often where means are equal and the rest is not; the interval alone knows of no other comparison. Where
    all patients differ alike there is no interval (NaN), and p decides.
    """
    return np.asarray((adjusted < SURE) & ~((low <= 0) & (high >= 0)))
