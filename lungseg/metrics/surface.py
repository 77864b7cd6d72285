"""Measures how far apart two boundaries run, from each of their pixels to the other, and what follows from that.

A boundary is made of whole pixels, or voxels: those of the mask with a neighbour along an axis outside it, each at its
centre and each counting once. So has MONAI, whose numbers these are, but for its rounding to 32 bits. DeepMind's
surface-distance lays a surface between the voxels (marching cubes) and weighs its pieces by their area: its distances
are others by up to a voxel, its shares by what large and small pieces weigh.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from lungseg.core.arrays import Mask
from lungseg.metrics.nearest import Distances, nearest_distances, positions

NEAR = 31  # columns; a nearest pixel farther than so many is searched for in a tree


@dataclass(frozen=True, slots=True)
class SurfaceDistances:
    """Of each boundary pixel of the prediction to the nearest of the reference, and the reverse; in units of spacing.

    They are infinite where the other mask is empty; an empty mask has no boundary pixels.
    """

    to_reference: Distances  # [n], n = boundary pixels of the prediction
    to_prediction: Distances  # [m], m = boundary pixels of the reference


def surface_distances(predicted: Mask, reference: Mask, spacing: Sequence[float] | None = None) -> SurfaceDistances:
    """Exact and Euclidean between two masks of equal shape, [H, W] or [D, H, W]; ``spacing`` is a pixel's size by axis.

    A pixel belongs to the boundary if one of its neighbours along an axis is outside the mask or outside the image.
    """
    if predicted.shape != reference.shape:
        raise ValueError(f"masks of different shapes: {predicted.shape} and {reference.shape}")
    where = bounding_box(predicted | reference)
    ours, theirs = boundary(predicted[where]), boundary(reference[where])
    size = np.ones(ours.ndim) if spacing is None else np.asarray(spacing, np.float64)
    if size.shape != (ours.ndim,) or not (size > 0).all():
        raise ValueError(f"spacing {spacing}: expected {ours.ndim} sizes above 0")
    return SurfaceDistances(_nearest(ours, theirs, size), _nearest(theirs, ours, size))


def hd95(distances: SurfaceDistances) -> float:
    """The larger of both directions' 95th percentiles; NaN where both masks are empty, infinite where one is."""
    both = distances.to_reference, distances.to_prediction
    return max((_percentile(one, 0.95) for one in both if len(one)), default=float("nan"))


def assd(distances: SurfaceDistances) -> float:
    """The mean over the pixels of both boundaries; NaN where both masks are empty, infinite where one is."""
    pixels = len(distances.to_reference) + len(distances.to_prediction)
    total = distances.to_reference.sum() + distances.to_prediction.sum()
    return float(total / pixels) if pixels else float("nan")


def nsd(distances: SurfaceDistances, tolerance: float) -> float:
    """The share of both boundaries' pixels within ``tolerance``, surface Dice; NaN where both masks are empty.

    0 where one is. Three pixels of 0.1 are within 0.3, though three times 0.1 is more in floating point.
    """
    pixels = len(distances.to_reference) + len(distances.to_prediction)
    limit = tolerance * (1 + 1e-9)
    within = (distances.to_reference <= limit).sum() + (distances.to_prediction <= limit).sum()
    return float(within / pixels) if pixels else float("nan")


def _percentile(values: Distances, share: float) -> float:
    """With linear interpolation between two neighbours in order; ``np.quantile`` takes longer than the distances."""
    position = (len(values) - 1) * share
    below = int(position)
    above = min(below + 1, len(values) - 1)
    low, high = np.partition(values, (below, above))[[below, above]]
    return float(low + (high - low) * (position - below)) if high > low else float(low)


def bounding_box(mask: Mask) -> tuple[slice, ...]:
    """The smallest that holds all of the mask; of no extent where it is empty."""
    box = []
    for axis in range(mask.ndim):
        there = np.flatnonzero(mask.any(tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(there[0], there[-1] + 1) if len(there) else slice(0, 0))
    return tuple(box)


def boundary(mask: Mask) -> Mask:
    """Pixels of the mask with a neighbour along an axis that is not of it; outside the image nothing is."""
    inside = mask.copy()
    for axis in range(mask.ndim):
        lower = (slice(None),) * axis + (slice(None, -1),)
        upper = (slice(None),) * axis + (slice(1, None),)
        inside[upper] &= mask[lower]
        inside[lower] &= mask[upper]
        for end in (0, -1):
            inside[(slice(None),) * axis + (slice(end, end + 1 or None),)] = False
    return mask ^ inside


def _nearest(points: Mask, targets: Mask, size: Distances) -> Distances:
    """From each of ``points`` in their order to the nearest of ``targets``: by columns if near, else by a tree."""
    if points.ndim != 2:
        return nearest_distances(points, targets, size)
    if not targets.any():
        return np.full(int(points.sum()), np.inf)
    at = positions(points)
    found = _near(at, targets, size)
    far = found > NEAR * size[-1]
    if far.any():
        found[far] = cKDTree(positions(targets) * size).query(at[far] * size)[0]
    return found


def _near(at: NDArray[np.intp], targets: Mask, size: Distances) -> Distances:
    """From each point [n, 2] to the nearest target if it is within ``NEAR`` columns' width; else a bound above that.

    How far each column's nearest target is, is known at every pixel. Of the columns beside a point, the nearest two
    are looked at, then twice as many each time, for those points only that could still find a nearer target.
    """
    height, width = targets.shape
    apart = _rows_apart(targets).ravel()
    squares = np.append((np.arange(height) * size[0]) ** 2, np.inf)  # by rows apart; the last: none in that column
    start, column = at[:, 0] * width, at[:, 1]
    found = squares[apart[start + column]]
    first = 1
    while first < min(NEAR, width):
        still = np.flatnonzero(found > (first * size[1]) ** 2)
        if not len(still):
            break
        aside = np.arange(first, 2 * first + 1)
        left = np.maximum(column[still, None] - aside, 0)  # past the image: its last column, as too far
        right = np.minimum(column[still, None] + aside, width - 1)
        rows = np.minimum(apart[start[still, None] + left], apart[start[still, None] + right])
        found[still] = np.minimum(found[still], (squares[rows] + (aside * size[1]) ** 2).min(1))
        first += len(aside)
    return np.asarray(np.sqrt(found))


def _rows_apart(targets: Mask) -> NDArray[np.int32]:
    """From each pixel to the nearest target in its column; the image's height where there is none."""
    height = len(targets)
    apart = np.where(targets, np.int32(0), np.int32(height))
    step = 1
    while step < height:
        np.minimum(apart[step:], apart[:-step] + step, out=apart[step:])
        np.minimum(apart[:-step], apart[step:] + step, out=apart[:-step])
        step *= 2
    return apart
