import math
import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from lungseg.tasks.segmentation.flawed_definitions import NAMES, FlawedScores


def pair(shape, seed, share=0.3):
    generator = np.random.default_rng(seed)
    reference = generator.random((1, *shape)) < share
    likely = np.clip(0.6 * reference + 0.5 * generator.random((1, *shape)), 0, 1).astype(np.float32)
    return likely > 0.5, reference, likely


def summary(pairs, batch_size):
    flattery = FlawedScores(["lung"], batch_size)
    for one in pairs:
        flattery.add(*one)
    return flattery.summary()["lung"]


def test_each_has_its_name_and_why_it_flatters():
    found = summary([pair((9, 7), 0)], 4)
    assert set(found) == set(NAMES) == {"two_channel_dice", "smoothed_dice", "soft_dice", "batch_dice"}
    for one in found.values():
        assert len(one["why"].splitlines()) == 1
        assert len(one["why"]) > 40


def test_two_channels_are_accuracy_and_a_batch_is_one_large_image():
    pairs = [pair((20, 30), n, share) for n, share in enumerate((0.3, 0.02, 0.5))] + [pair((16, 11), 9)]
    found = summary(pairs, 3)
    accuracies = [accuracy_score(reference.ravel(), prediction.ravel()) for prediction, reference, _ in pairs]
    assert found["two_channel_dice"]["value"] == pytest.approx(np.mean(accuracies))
    batches = [
        f1_score(*(np.concatenate([one[which].ravel() for one in part]) for which in (1, 0)))
        for part in (pairs[:3], pairs[3:])
    ]
    assert found["batch_dice"]["value"] == pytest.approx(np.mean(batches))
    smoothed = [(2 * (p & r).sum() + 1) / (p.sum() + r.sum() + 1) for p, r, _ in pairs]
    assert found["smoothed_dice"]["value"] == pytest.approx(np.mean(smoothed))
    soft = [(2 * likely[r].sum() + 1) / (likely.sum() + r.sum() + 1) for _, r, likely in pairs]
    assert found["soft_dice"]["value"] == pytest.approx(np.mean(soft), rel=1e-5)


def test_silence_where_there_is_nothing_scores_full_marks_by_them():
    nothing = np.zeros((1, 8, 8), bool)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = summary([(nothing, nothing, nothing.astype(np.float32))] * 3, 2)
    assert [found[name]["value"] for name in ("two_channel_dice", "smoothed_dice", "soft_dice")] == [1, 1, 1]
    assert math.isnan(found["batch_dice"]["value"])
