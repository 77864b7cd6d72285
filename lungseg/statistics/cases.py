"""Which cases count, and what each patient contributes to a mean over cases."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def scored(values: Floats) -> NDArray[np.bool_]:
    """[N, R] -> [N]: whether a case has a score, in all runs or in none (NaN).

    A case that one run has a score for and another has not raises ValueError: their means would be over other cases.
    """
    there = ~np.isnan(values)
    uneven = np.flatnonzero(there.any(axis=1) & ~there.all(axis=1))
    if len(uneven):
        raise ValueError(f"case {uneven[0]} has a score on one side only ({len(uneven)} such cases of {len(values)})")
    return np.asarray(there.all(axis=1))


def patient_sums(values: Floats, patients: Sequence[str]) -> tuple[Floats, Floats]:
    """[N, C] -> sums and numbers of scores, [P, C] each; NaN counts for nothing, nor does a patient with NaN alone."""
    if len(patients) != len(values):
        raise ValueError(f"{len(values)} cases but {len(patients)} patients")
    there = ~np.isnan(values)
    known = there.any(axis=1)
    if not known.any():
        return np.empty((0, values.shape[1])), np.empty((0, values.shape[1]))
    owner = np.unique(np.asarray(patients)[known], return_inverse=True)[1]
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.diff(owner[order], prepend=-1))
    kept, counted = values[known][order], there[known][order]
    sums = np.add.reduceat(np.where(counted, kept, 0.0), starts, axis=0)
    return sums, np.add.reduceat(counted.astype(np.float64), starts, axis=0)


def snapped(values: Floats, scale: float) -> Floats:
    """Without the noise of floating point at 1e-12 of ``scale``, so that equals are equal and ties are ties."""
    return np.asarray(np.round(values / scale, 12) * scale) if scale > 0 else values
