import numpy as np
import pytest

from lungseg.core.prediction import Prediction, certain, mean


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 3, 6, 5)])
def test_each_region_has_its_own_threshold_in_two_and_three_dimensions(shape):
    probabilities = np.random.default_rng(0).random(shape, np.float32)
    prediction = Prediction("a", probabilities)
    assert prediction.shape == shape[1:]
    assert np.array_equal(prediction.mask(0.3), probabilities > 0.3)
    own = prediction.mask([0.2, 0.8])
    assert np.array_equal(own[0], probabilities[0] > 0.2)
    assert np.array_equal(own[1], probabilities[1] > 0.8)


def test_an_ensemble_keeps_where_the_case_lies_and_averages_regions_and_classes():
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    members = [
        Prediction("a", np.full((1, 2, 2, 2), p, np.float32), {"COVID-19": p}, (5.0, 2.0, 2.0), affine)
        for p in (0.2, 0.6)
    ]
    found = mean(members)
    assert found.probabilities.dtype == np.float32
    assert found.probabilities == pytest.approx(0.4)
    assert found.classes == {"COVID-19": pytest.approx(0.4)}
    assert (found.case_id, found.spacing) == ("a", (5.0, 2.0, 2.0))
    assert np.array_equal(found.affine, affine)


def test_a_mask_becomes_a_prediction_that_is_that_mask():
    mask = np.random.default_rng(0).random((1, 4, 5)) < 0.5
    found = certain(mask, Prediction("a", np.zeros((1, 4, 5), np.float32), {"x": 0.5}, (1.0, 2.0)))
    assert np.array_equal(found.mask(0.5), mask)
    assert (found.classes, found.spacing) == ({}, (1.0, 2.0))
