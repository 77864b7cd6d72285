import functools
import operator

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import binary_calibration_error

from lungseg.metrics.calibration import (
    bins,
    brier,
    confidence,
    expected_calibration_error,
    frequency,
    maximum_calibration_error,
)


def cases(number=1000):
    """Well calibrated, sure of itself, reversed, and of one value; of every size, empty and full references too."""
    rng = np.random.default_rng(0)
    for turn in range(number):
        shape = tuple(rng.integers(1, 40, 2))
        likely = rng.random(shape) ** rng.uniform(0.2, 5)
        reference = rng.random(shape) < [likely, likely**3, 1 - likely, np.zeros(shape), np.ones(shape)][turn % 5]
        if turn % 7 == 0:
            likely[:] = likely[0, 0]
        yield likely.astype(np.float32), reference


def test_errors_are_those_of_torchmetrics():
    for likely, reference in cases():
        found = bins(likely, reference)
        arguments = torch.from_numpy(likely).double(), torch.from_numpy(reference).long()
        for error, norm in ((expected_calibration_error, "l1"), (maximum_calibration_error, "max")):
            assert error(found) == pytest.approx(float(binary_calibration_error(*arguments, 15, norm)), abs=1e-6)


def test_brier_and_curve_are_those_of_scikit_learn():
    for likely, reference in cases():
        found = bins(likely, reference)
        expected = brier_score_loss(reference.ravel(), likely.ravel().astype(np.float64), pos_label=True)
        assert brier(found) == pytest.approx(expected, abs=1e-9)
        if 0 < reference.sum() < reference.size:
            shares, means = calibration_curve(reference.ravel(), likely.ravel().astype(np.float64), n_bins=15)
            there = found.pixels > 0
            np.testing.assert_allclose(frequency(found)[there], shares, atol=1e-9)
            np.testing.assert_allclose(confidence(found)[there], means, atol=1e-9)
            assert np.isnan(frequency(found)[~there]).all()


def test_cases_added_up_are_as_one():
    parts = list(cases(50))
    total = functools.reduce(operator.add, (bins(*part) for part in parts))
    whole = bins(np.concatenate([p.ravel() for p, _ in parts]), np.concatenate([r.ravel() for _, r in parts]))
    for error in (expected_calibration_error, maximum_calibration_error, brier):
        assert error(total) == pytest.approx(error(whole), abs=1e-12)
    assert total.pixels.tolist() == whole.pixels.tolist()
    assert total.positives.tolist() == whole.positives.tolist()


def test_certainty_belongs_to_the_last_bin_and_an_edge_to_the_bin_above():
    found = bins(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), np.ones(5, bool), 4)
    assert found.pixels.tolist() == [1, 1, 1, 2]
    assert bins(np.ones(7, np.float32), np.ones(7, bool)).pixels.tolist() == [0] * 14 + [7]


def test_right_and_wrong_certainty():
    sure = np.array([0.0, 1.0, 1.0, 0.0])
    right, wrong = bins(sure, sure > 0), bins(sure, sure < 1)
    for error in (expected_calibration_error, maximum_calibration_error, brier):
        assert error(right) == 0
        assert error(wrong) == 1
    assert brier(bins(np.full(9, 0.5), np.arange(9) > 3)) == 0.25


def test_no_pixels_have_no_error():
    nothing = bins(np.zeros((0, 5), np.float32), np.zeros((0, 5), bool))
    for error in (expected_calibration_error, maximum_calibration_error, brier):
        assert np.isnan(error(nothing))
    assert np.isnan(frequency(nothing)).all()
