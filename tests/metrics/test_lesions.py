import functools

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from lungseg.metrics.lesions import IOU, detection_f1, lesions, severity

SHAPES = [(1, 1), (1, 12), (7, 5), (24, 24), (40, 40), (64, 64), (3, 4, 5), (8, 12, 12)]


def pairs(each=130):
    """Blobs and noise; predictions that are moved, split, merged, invented, empty and full."""
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        for turn in range(each):
            smooth = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.4, 2.5))
            reference = smooth > rng.uniform(0, 1.5) * smooth.std()
            cut = rng.random(shape) < rng.uniform(0, 0.3)
            predicted = [
                np.roll(reference, 1, -1),
                reference & ~cut,
                ndimage.binary_dilation(reference, iterations=1 + turn % 2) & ~cut,
                reference ^ cut,
                np.full(shape, turn % 4 == 0),
            ][turn % 5]
            yield predicted, (np.full(shape, turn % 3 == 0) if turn > 0.9 * each else reference)


def overlaps(predicted, reference):
    """[reference lesions, predicted lesions] of IoU, one mask at a time."""
    touching = np.ones((3,) * reference.ndim)
    theirs, ours = (ndimage.label(mask, touching) for mask in (reference, predicted))
    iou = np.zeros((theirs[1], ours[1]))
    for r in range(theirs[1]):
        there = theirs[0] == r + 1
        for p in np.unique(ours[0][there]):
            if p:
                found = ours[0] == p
                iou[r, p - 1] = (there & found).sum() / (there | found).sum()
    return iou, [int((theirs[0] == r + 1).sum()) for r in range(theirs[1])]


def best_matching(iou):
    """The most matches and then the greatest sum of IoU, by trying every one."""

    @functools.cache
    def rest(row, taken):
        if row == len(iou):
            return 0, 0.0
        options = [rest(row + 1, taken)]
        for column in np.flatnonzero(iou[row] >= IOU).tolist():
            if column not in taken:
                number, total = rest(row + 1, taken | {column} if (iou[row + 1 :, column] >= IOU).any() else taken)
                options.append((number + 1, total + iou[row, column]))
        return max(options)

    return rest(0, frozenset())


@pytest.fixture(scope="module")
def matched():
    found = [(lesions(*pair), *overlaps(*pair)) for pair in pairs()]
    assert len(found) > 1000
    return found


def test_lesions_are_counted_and_sized_as_scipy_labels_them(matched):
    for found, iou, sizes in matched:
        assert (found.reference, found.predicted) == iou.shape
        assert sorted(found.sizes.tolist()) == sorted(sizes)
        assert len(found.found) == found.reference
        assert found.found.sum() == found.matched


def test_no_other_matching_finds_more_lesions(matched):
    contested = 0
    for found, iou, _ in matched:
        graph = csr_array(iou >= IOU)
        assert found.matched == ((maximum_bipartite_matching(graph) >= 0).sum() if iou.size else 0)
        contested += ((iou >= IOU).sum(0) > 1).any()
        if len(iou) <= 12:
            assert found.matched == best_matching(iou)[0]
    assert contested > 50


def test_of_two_lesions_under_one_prediction_the_larger_one_is_found():
    reference = np.zeros((10, 20), bool)
    reference[2:8, 2:6] = reference[2:8, 7:16] = True
    predicted = np.zeros_like(reference)
    predicted[2:8, 2:16] = True
    found = lesions(predicted, reference)
    assert found.sizes.tolist() == [24, 54]
    assert found.found.tolist() == [False, True]
    assert detection_f1(found) == pytest.approx(2 / 3)


def test_found_lesions_are_those_of_the_best_overlap_among_the_most_matches(matched):
    for found, iou, sizes in matched:
        if len(iou) <= 12 and len(set(sizes)) == len(sizes):  # sizes tell which lesion is which
            order = [sizes.index(size) for size in found.sizes.tolist()]
            chosen = iou[[row for row, there in zip(order, found.found, strict=True) if there]]
            number, total = best_matching(chosen)
            assert (number, pytest.approx(total)) == best_matching(iou)


def test_f1_is_undefined_without_lesions_and_zero_when_all_are_missed():
    empty, there = np.zeros((5, 5), bool), np.eye(5, dtype=bool)
    assert np.isnan(detection_f1(lesions(empty, empty)))
    assert np.isnan(detection_f1(lesions(there, empty)))
    assert detection_f1(lesions(empty, there)) == 0
    assert detection_f1(lesions(there, there)) == 1
    assert detection_f1(lesions(np.fliplr(there) & ~there, there)) == 0
    assert lesions(there, empty).predicted == 1


def test_pixels_that_touch_at_a_corner_are_one_lesion():
    assert lesions(np.eye(4, dtype=bool), np.eye(4, dtype=bool)).reference == 1
    cube = np.zeros((2, 2, 2), bool)
    cube[0, 0, 0] = cube[1, 1, 1] = True
    assert lesions(cube, cube).reference == 1


def test_an_iou_of_exactly_a_tenth_is_a_match():
    reference, predicted = np.zeros((2, 1, 10), bool)
    reference[0], predicted[0, 0] = True, True
    assert lesions(predicted, reference).matched == 1
    assert lesions(predicted, reference, iou=0.11).matched == 0


def test_masks_cut_out_of_a_volume_are_measured_as_they_lie_in_memory():
    volume = np.random.default_rng(0).random((9, 30, 30)) < 0.2
    across, copied = volume[:, :, 7], volume[:, :, 7].copy()
    np.testing.assert_array_equal(lesions(across, across).sizes, lesions(copied, copied).sizes)


def test_noise_of_thousands_of_specks_is_matched_too():
    rng = np.random.default_rng(0)
    reference = rng.random((256, 256)) < 0.2
    found = lesions(reference ^ (rng.random(reference.shape) < 0.1), reference)
    assert 3000 < found.matched < found.reference < 6000


def test_severity_is_the_infected_share_of_the_lung_and_only_of_it():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        shape = tuple(rng.integers(1, 30, 2))
        lung, infection = rng.random((2, *shape)) < rng.random()
        if lung.any():
            assert severity(infection, lung) == pytest.approx(infection[lung].mean(), abs=1e-12)
    lung, infection = np.zeros((2, 4, 4), bool)
    assert np.isnan(severity(infection, lung))
    infection[:] = True
    assert np.isnan(severity(infection, lung))
    lung[0] = True
    assert severity(infection, lung) == 1
    assert severity(~infection, lung) == 0
