"""How surely: intervals over patients, because images of one patient are no independent evidence."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]


def mean_interval(
    values: NDArray[np.float64],
    patients: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of the mean of ``values`` [N] when whole patients are drawn with replacement.

    NaN values are left out. With fewer than two patients left there is no spread to resample: (NaN, NaN).
    """
    there = ~np.isnan(values)
    if not there.any():
        return float("nan"), float("nan")
    names, owner = np.unique(np.asarray(patients)[there], return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    sums = np.bincount(owner, weights=values[there])
    sizes = np.bincount(owner).astype(np.float64)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    means = (draws @ sums) / (draws @ sizes)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
