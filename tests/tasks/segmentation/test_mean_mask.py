import numpy as np

from lungseg.tasks.segmentation.mean_mask import THRESHOLDS, load_mean_mask, mean_mask, save_mean_mask


def discs(seed, number=30):
    generator = np.random.default_rng(seed)
    yy, xx = np.mgrid[:32, :32]
    radius = generator.uniform(5, 12, (number, 1, 1, 1))
    centre = generator.uniform(10, 22, (2, number, 1, 1, 1))
    return (yy - centre[0]) ** 2 + (xx - centre[1]) ** 2 < radius**2


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_no_other_threshold_of_the_mean_does_better_on_the_validation_cases():
    train, val = discs(0), discs(1)
    mask = mean_mask([train[:7], train[7:]], [val[:20], val[20:]])
    scores = [np.mean([dice(train.mean(0)[0] >= t, case[0]) for case in val]) for t in THRESHOLDS]
    assert np.isclose(np.mean([dice(mask[0], case[0]) for case in val]), max(scores))
    assert max(scores) > np.mean([dice(np.ones((32, 32), bool), case[0]) for case in val])


def test_cases_without_the_region_choose_no_threshold():
    train, val = discs(0), discs(1)
    empty = np.zeros_like(val)
    assert np.array_equal(mean_mask([train], [val, empty]), mean_mask([train], [val]))


def test_it_is_kept(tmp_path):
    mask = mean_mask([discs(0)], [discs(1)])
    save_mean_mask(mask, tmp_path / "mean_mask.npz")
    assert np.array_equal(load_mean_mask(tmp_path / "mean_mask.npz"), mask)
