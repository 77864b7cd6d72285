import numpy as np
import pytest

from lungseg.metrics import overlap
from lungseg.metrics.thresholds import BINS, THRESHOLDS, choose, dice_by_threshold, histogram

GRID = [round(0.01 * step, 2) for step in range(1, 100)]


def cases(number=1000):
    """Random, certain and wrong; and probabilities on a threshold, or the next number to it."""
    rng = np.random.default_rng(0)
    on = np.array(GRID, np.float32)
    awkward = np.concatenate([on, np.nextafter(on, np.float32(0)), np.nextafter(on, np.float32(1)), [0, 1, 1e-30]])
    for turn in range(number):
        shape = tuple(rng.integers(1, 33, 2))
        likely = rng.random(shape, np.float32) ** np.float32(rng.uniform(0.2, 5))
        if turn % 3 == 0:
            likely = rng.choice(awkward, shape).astype(np.float32)
        reference = rng.random(shape) < [likely, 0.1, 0, 1, 1 - likely][turn % 5]
        yield likely, reference


def counts_at(likely, reference, threshold):
    predicted = likely > threshold
    both, found, there = (predicted & reference).sum(), predicted.sum(), reference.sum()
    return [both, found - both, there - both, reference.size - found - there + both]


def test_the_grid_is_the_numbers_people_write():
    assert THRESHOLDS.tolist() == GRID


def test_counts_from_the_histogram_are_exactly_those_above_each_threshold():
    for likely, reference in cases():
        negatives, positives = histogram(likely, reference)
        assert positives.sum() == reference.sum()
        assert negatives.sum() == (~reference).sum()
        for place, threshold in enumerate(GRID):
            tp, fp, *_ = counts_at(likely, reference, threshold)
            assert (positives[place + 1 :].sum(), negatives[place + 1 :].sum()) == (tp, fp)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_probabilities_on_a_threshold_are_not_above_it_whatever_their_precision(kind):
    likely = np.array(GRID).astype(kind)
    likely = np.concatenate([likely, np.nextafter(likely, kind(0)), np.nextafter(likely, kind(1))])
    positives = histogram(likely, np.ones(len(likely), bool))[1]
    for place, threshold in enumerate(GRID):
        assert positives[place + 1 :].sum() == (likely > threshold).sum()


def test_dice_is_that_of_each_threshold_applied():
    everything = list(cases(300))
    found = dice_by_threshold(np.stack([histogram(*case) for case in everything]))
    assert found.shape == (300, 99)
    counts = [[counts_at(*case, threshold) for threshold in GRID] for case in everything]
    np.testing.assert_allclose(found, overlap.dice(np.array(counts)), atol=1e-12)
    assert np.isnan(found).any()


def test_chosen_threshold_has_the_best_mean_dice_over_cases_with_the_region():
    everything = list(cases(200))
    for start in range(0, 200, 10):
        some = everything[start : start + 10]
        counts = np.array([[counts_at(*case, threshold) for threshold in GRID] for case in some])
        mean = np.nanmean(overlap.dice(counts), axis=0)
        chosen = choose(np.stack([histogram(*case) for case in some]))
        assert mean[GRID.index(chosen)] == pytest.approx(mean.max(), abs=1e-12)


def test_of_equally_good_thresholds_the_one_nearest_a_half_is_chosen():
    reference = np.array([[True, True, False, False]])

    def chosen(*likely):
        return choose(histogram(np.array([likely], np.float32), reference)[None])

    assert chosen(0.9, 0.8, 0.2, 0.1) == 0.5
    assert chosen(1.0, 1.0, 0.0, 0.0) == 0.5
    assert chosen(0.9, 0.8, 0.705, 0.1) == 0.71
    assert chosen(0.305, 0.4, 0.2, 0.1) == 0.3
    assert chosen(0.5, 0.5, 0.2, 0.1) == 0.49  # a half is not above a half


def test_without_any_case_of_the_region_it_stays_at_a_half():
    nothing = histogram(np.full((4, 4), 0.9, np.float32), np.zeros((4, 4), bool))
    assert choose(np.stack([nothing, nothing])) == 0.5
    assert choose(np.zeros((0, 2, BINS), np.int64)) == 0.5


def test_cases_without_the_region_do_not_move_the_threshold():
    rng = np.random.default_rng(3)
    likely = rng.random((20, 20), np.float32)
    there = histogram(likely, likely > 0.8)
    elsewhere = histogram(likely, np.zeros_like(likely, bool))
    assert choose(np.stack([there] + 9 * [elsewhere])) == choose(there[None]) == 0.8
