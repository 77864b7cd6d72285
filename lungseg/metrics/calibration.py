"""Whether of the pixels called 70% likely 70% are: probabilities against what was there, in bins."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask

BINS = 15

Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """What falls into equal bins of probability from 0 to 1, all [bins]; two of them add up."""

    pixels: NDArray[np.int64]
    positives: NDArray[np.int64]
    probabilities: Sums  # the sum
    squared_errors: Sums  # the sum of (probability - reference)^2

    def __add__(self, other: "Reliability") -> "Reliability":
        return Reliability(
            self.pixels + other.pixels,
            self.positives + other.positives,
            self.probabilities + other.probabilities,
            self.squared_errors + other.squared_errors,
        )


def bins(probabilities: NDArray[Any], reference: Mask, number: int = BINS) -> Reliability:
    """Of one case's pixels, any shape. Bin i holds i / number <= probability < (i + 1) / number, the last 1.0 too."""
    likely = probabilities.ravel().astype(np.float64)
    there = reference.ravel()
    bin_ = np.minimum((likely * number).astype(np.intp), number - 1)
    return Reliability(
        np.bincount(bin_, minlength=number).astype(np.int64),
        np.bincount(bin_[there], minlength=number).astype(np.int64),
        np.bincount(bin_, likely, minlength=number).astype(np.float64),
        np.bincount(bin_, (likely - there) ** 2, minlength=number).astype(np.float64),
    )


def confidence(reliability: Reliability) -> Sums:
    """The mean probability of each bin; NaN where a bin is empty."""
    return _per_pixel(reliability.probabilities, reliability)


def frequency(reliability: Reliability) -> Sums:
    """The share of each bin's pixels that are of the region; NaN where a bin is empty."""
    return _per_pixel(reliability.positives.astype(np.float64), reliability)


def expected_calibration_error(reliability: Reliability) -> float:
    """How far confidence and frequency are apart, mean over pixels; NaN for no pixels."""
    apart = np.abs(reliability.probabilities - reliability.positives).sum()
    return _ratio(float(apart), int(reliability.pixels.sum()))


def maximum_calibration_error(reliability: Reliability) -> float:
    """The same of the bin that is worst, however few its pixels; NaN for no pixels."""
    gaps = np.abs(confidence(reliability) - frequency(reliability))
    return float(np.nanmax(gaps)) if reliability.pixels.any() else float("nan")


def brier(reliability: Reliability) -> float:
    """The mean squared error of the probabilities, whatever the bins: 0 is perfect, 0.25 a coin; NaN for no pixels."""
    return _ratio(float(reliability.squared_errors.sum()), int(reliability.pixels.sum()))


def _per_pixel(sums: Sums, reliability: Reliability) -> Sums:
    out = np.full(len(sums), np.nan)
    np.divide(sums, reliability.pixels, out=out, where=reliability.pixels > 0)
    return out


def _ratio(above: float, below: int) -> float:
    return above / below if below else float("nan")
