"""Shares of cases, of scores that are 0 or 1: their exact intervals, which hold where all cases are alike, too."""

import numpy as np
from scipy import special

from lungseg.metrics.stats.patient_weights import Floats


def share_intervals(shares: Floats, effective: float, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Computes Clopper and Pearson's interval of each of ``shares`` [C] -> lower and upper bounds [C].

    ``effective`` is the number of effective patients: images of one patient are taken to say one thing, the worst that
    may be. So 0 of 20 patients is [0, 0.168], however many images each has.
    It holds the truth in 97% or more of simulated samples (``benchmarks/intervals.py``): in 97 to 99% where the images
    of a patient are all alike, and in more, wider than it need be, where they are not. NaN without a patient.
    """
    if effective <= 0:
        return np.full(shares.shape, np.nan), np.full(shares.shape, np.nan)
    hits, tail = shares * effective, (1 - level) / 2
    misses = effective - hits
    with np.errstate(invalid="ignore"):
        low = np.where(shares > 0, special.betaincinv(np.maximum(hits, 1e-12), misses + 1, tail), 0.0)
        high = np.where(shares < 1, special.betaincinv(hits + 1, np.maximum(misses, 1e-12), 1 - tail), 1.0)
    undefined = np.isnan(shares)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def share_interval(share: float, effective: float, *, level: float = 0.95) -> tuple[float, float]:
    """Computes ``share_intervals`` of one share."""
    low, high = share_intervals(np.array([share]), effective, level=level)
    return float(low[0]), float(high[0])
