import numpy as np
import pytest
import torch
from scipy.spatial import distance
from segmentation_models_pytorch.losses._functional import soft_dice_score
from sklearn.metrics import accuracy_score, f1_score

from lungseg.metrics import flawed_dice, overlap


def pairs(number=1000):
    """Probabilities and references of every density and size: empty, full, one pixel, noise, right and wrong."""
    rng = np.random.default_rng(0)
    for turn in range(number):
        shape = tuple(rng.integers(1, 40, 2))
        one = np.zeros(shape, bool)
        one[tuple(rng.integers(0, side) for side in shape)] = True
        reference = [rng.random(shape) < rng.random(), np.zeros(shape, bool), np.ones(shape, bool), one][turn % 4]
        likely = [rng.random(shape) ** rng.uniform(0.3, 9), 1.0 * reference, 1.0 - reference, 0 * one][turn // 4 % 4]
        yield likely, reference


def test_two_channel_dice_is_pixel_accuracy():
    for likely, reference in pairs():
        predicted = likely > 0.5
        found = flawed_dice.two_channel_dice(predicted, reference)
        assert found == pytest.approx(accuracy_score(reference.ravel(), predicted.ravel()), abs=1e-12)
        channels = [np.stack([mask, ~mask]) for mask in (predicted, reference)]
        assert found == pytest.approx(2 * (channels[0] & channels[1]).sum() / (2 * reference.size), abs=1e-12)


def test_smoothed_dice_is_that_of_scikit_learn_when_nothing_is_smoothed():
    for likely, reference in pairs():
        predicted = likely > 0.5
        if predicted.any() or reference.any():
            expected = f1_score(reference.ravel(), predicted.ravel(), zero_division=0)
            assert flawed_dice.smoothed_dice(predicted, reference, smooth=0) == pytest.approx(expected, abs=1e-12)


def test_soft_and_smoothed_dice_are_one_less_the_usual_loss():
    for likely, reference in pairs():
        there = torch.from_numpy(reference).double()
        for found, of in (
            (flawed_dice.soft_dice(likely, reference), likely),
            (flawed_dice.smoothed_dice(likely > 0.5, reference), 1.0 * (likely > 0.5)),
        ):
            expected = soft_dice_score(torch.from_numpy(of).double(), there, smooth=0.5)  # of halves
            assert found == pytest.approx(float(expected), abs=1e-9)


def test_batch_dice_is_that_of_one_large_image():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        predicted, reference = rng.random((2, 3, *rng.integers(1, 20, 2))) < rng.random()
        if predicted.any() or reference.any():
            expected = 1 - distance.dice(reference.ravel(), predicted.ravel())
            assert flawed_dice.batch_dice(predicted, reference) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(flawed_dice.batch_dice(np.zeros((2, 3, 3), bool), np.zeros((2, 3, 3), bool)))


def test_each_definition_flatters_a_model_that_finds_nothing_or_misses_the_small():
    """A lesion of 4 pixels among 10,000 is missed, an empty image stays empty, a large region is found."""
    small, large = np.zeros((2, 100, 100), bool)
    small[:2, :2] = large[:50] = True
    nothing = np.zeros_like(small)
    assert flawed_dice.two_channel_dice(nothing, small) > 0.999
    assert flawed_dice.smoothed_dice(nothing, nothing) == flawed_dice.soft_dice(1.0 * nothing, nothing) == 1
    honest = overlap.dice(np.array([[0, 0, 4, 9996], [5000, 0, 0, 5000]])).mean()
    pooled = flawed_dice.batch_dice(np.stack([nothing, large]), np.stack([small, large]))
    assert honest == 0.5
    assert pooled > 0.999


def test_every_definition_says_in_a_line_why_it_flatters():
    definitions = [name for name in vars(flawed_dice) if name.endswith("_dice")]
    assert sorted(flawed_dice.WHY) == sorted(definitions)
    assert all(30 < len(line) < 120 and "\n" not in line for line in flawed_dice.WHY.values())
