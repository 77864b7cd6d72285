import itertools

import numpy as np
import pytest
from scipy import ndimage

from lungseg.metrics.surface import assd, hd95, nsd, surface_distances

SHAPES = [(1, 1), (1, 9), (2, 2), (5, 3), (9, 64), (33, 40), (64, 64), (1, 4, 3), (5, 6, 7), (9, 16, 12)]
TOLERANCES = (0.0, 1.0, 1.7, 4.0)


def shapes_of(shape, rng):
    """A mask of every kind that has gone wrong somewhere."""
    empty = np.zeros(shape, bool)
    corner, middle, line, frame = empty.copy(), empty.copy(), empty.copy(), ~empty
    corner[(0,) * len(shape)] = True
    middle[tuple(side // 2 for side in shape)] = True
    line[..., shape[-1] // 2] = True
    frame[tuple(slice(1, -1) for _ in shape)] = False
    edge = empty.copy()
    edge[shape[0] // 2 :] = True
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), min(4, max(shape) / 8))
    kinds = [empty, ~empty, corner, np.flip(corner), middle, ~middle, line, frame, edge]
    return [*kinds, smooth > 0, smooth > smooth.std(), rng.random(shape) < 0.5, rng.random(shape) < 0.05]


def pairs():
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        for a, b in itertools.product(shapes_of(shape, rng), shapes_of(shape, rng)):
            yield a, b, (None if rng.random() < 0.4 else tuple(rng.uniform(0.3, 5, len(shape))))


def expected_distances(predicted, reference, spacing):
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (predicted, reference)]
    to = [
        ndimage.distance_transform_edt(~edge, sampling=spacing) if edge.any() else np.full(edge.shape, np.inf)
        for edge in edges
    ]
    return to[1][edges[0]], to[0][edges[1]]


@pytest.fixture(scope="module")
def measured():
    found = [(surface_distances(*pair), expected_distances(*pair)) for pair in pairs()]
    assert len(found) > 1500
    return found


def test_every_boundary_pixel_is_as_far_as_a_distance_transform_says(measured):
    for distances, (to_reference, to_prediction) in measured:
        np.testing.assert_allclose(distances.to_reference, to_reference, rtol=0, atol=1e-9)
        np.testing.assert_allclose(distances.to_prediction, to_prediction, rtol=0, atol=1e-9)


def test_hd95_assd_and_surface_dice_follow_from_the_distances(measured):
    for distances, expected in measured:
        if not all(len(one) for one in expected):
            continue
        both = np.concatenate(expected)
        assert hd95(distances) == pytest.approx(max(np.percentile(one, 95) for one in expected), abs=1e-9)
        assert assd(distances) == pytest.approx(both.mean(), abs=1e-9)
        for tolerance in TOLERANCES:
            assert nsd(distances, tolerance) == pytest.approx((both <= tolerance + 1e-9).mean(), abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_found_is_infinitely_far_and_nothing_to_find_is_undefined(shape):
    empty, there = np.zeros(shape, bool), np.ones(shape, bool)
    neither = surface_distances(empty, empty)
    assert np.isnan([hd95(neither), assd(neither), nsd(neither, 1)]).all()
    for pair in ((empty, there), (there, empty)):
        distances = surface_distances(*pair)
        assert (hd95(distances), assd(distances), nsd(distances, 1e9)) == (np.inf, np.inf, 0.0)


def test_equal_masks_are_at_no_distance():
    for mask, _, spacing in pairs():
        if mask.any():
            distances = surface_distances(mask, mask, spacing)
            assert (hd95(distances), assd(distances), nsd(distances, 0)) == (0, 0, 1)


def test_a_region_cut_off_by_the_image_has_its_boundary_there():
    everything = np.ones((6, 5), bool)
    assert len(surface_distances(everything, everything).to_reference) == 6 * 5 - 4 * 3


def test_shifted_square_is_as_far_as_it_was_shifted_in_millimetres():
    mask, shifted = np.zeros((2, 300, 300), bool)
    mask[20:40, 20:40] = True
    shifted[20:40, 120:140] = True
    one_row = surface_distances(mask[20:21], shifted[20:21], (1.0, 0.5))
    assert one_row.to_reference.tolist() == [0.5 * (100 - column) for column in range(20)]
    assert hd95(surface_distances(mask.T, shifted.T, (0.5, 2.0))) == hd95(surface_distances(mask, shifted, (2.0, 0.5)))


def test_a_far_island_is_measured_like_a_near_one():
    """Near and far pixels take two ways through the code."""
    rng = np.random.default_rng(1)
    for spacing in (None, (1.0, 3.0), (4.0, 0.5)):
        reference = np.zeros((80, 300), bool)
        reference[30:50, 5:30] = True
        predicted = np.roll(reference, 2, 0) | (rng.random(reference.shape) < 0.02)
        distances, expected = (f(predicted, reference, spacing) for f in (surface_distances, expected_distances))
        np.testing.assert_allclose(distances.to_reference, expected[0], atol=1e-9)
        np.testing.assert_allclose(distances.to_prediction, expected[1], atol=1e-9)


def test_three_pixels_of_a_tenth_are_within_three_tenths():
    mask, moved = np.zeros((2, 9, 9), bool)
    mask[4, 1] = moved[4, 4] = True
    distances = surface_distances(mask, moved, (0.1, 0.1))
    assert (nsd(distances, 0.3), nsd(distances, 0.29)) == (1, 0)


def test_the_order_of_the_masks_only_swaps_the_directions():
    for a, b, spacing in itertools.islice(pairs(), 0, None, 7):
        forth, back = surface_distances(a, b, spacing), surface_distances(b, a, spacing)
        np.testing.assert_array_equal(forth.to_reference, back.to_prediction)
        np.testing.assert_array_equal(forth.to_prediction, back.to_reference)


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_a_spacing_that_is_none_is_refused(spacing):
    with pytest.raises(ValueError, match="expected 2 sizes"):
        surface_distances(np.ones((3, 3), bool), np.ones((3, 3), bool), spacing)


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="different shapes"):
        surface_distances(np.ones((3, 3), bool), np.ones((3, 4), bool))
