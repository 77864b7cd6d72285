"""Distances between voxels of volumes against scipy's transform and MONAI, however the masks lie."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_hausdorff_distance
from scipy import ndimage

from lungseg.metrics.nearest import nearest_distances
from lungseg.metrics.surface import hd95, surface_distances

SPACING = (5.0, 0.8, 0.8)
SHAPE = (24, 40, 36)


def ball(centre, radius):
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    places = zip((z, y, x), centre, SPACING, strict=True)
    return sum(((axis - at) * size) ** 2 for axis, at, size in places) <= radius**2


def masks():
    """Pairs that are alike, far apart, thin, noisy, full, of one voxel, at the edges."""
    rng = np.random.default_rng(0)
    dot, corners, plate = (np.zeros(SHAPE, np.bool_) for _ in range(3))
    dot[3, 4, 5], plate[:, 20] = True, True
    corners[0, 0, 0] = corners[-1, -1, -1] = True
    noise, full = rng.random(SHAPE) < 0.4, np.ones(SHAPE, np.bool_)
    here, near, away = ball((10, 20, 18), 14), ball((11, 19, 18), 13), ball((2, 5, 5), 4)
    return [(here, near), (here, away), (dot, here), (corners, here), (plate, dot), (noise, here), (full, dot),
            (noise, full), (dot, corners)]  # fmt: skip


@pytest.mark.parametrize("pair", range(9))
def test_distances_are_the_transforms(pair):
    points, targets = masks()[pair]
    expected = ndimage.distance_transform_edt(~targets, SPACING)[points]
    np.testing.assert_allclose(nearest_distances(points, targets, np.array(SPACING)), expected, atol=1e-9)


@pytest.mark.parametrize("pair", range(9))
def test_hd95_is_monais(pair):
    first, second = masks()[pair]
    given = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (first, second)]
    expected = compute_hausdorff_distance(*given, include_background=True, percentile=95, spacing=SPACING)
    assert hd95(surface_distances(first, second, SPACING)) == pytest.approx(float(expected), rel=1e-4)


def test_nothing_to_be_near_to_is_infinitely_far():
    points, nothing = masks()[0][0], np.zeros(SHAPE, np.bool_)
    assert np.isinf(nearest_distances(points, nothing, np.array(SPACING))).all()
    assert len(nearest_distances(nothing, points, np.array(SPACING))) == 0
