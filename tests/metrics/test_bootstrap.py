import numpy as np
import pytest
from scipy import stats

from lungseg.metrics.bootstrap import mean_interval


def test_with_one_case_a_patient_it_is_the_usual_bootstrap():
    values = np.random.default_rng(0).beta(8, 2, 60)
    low, high = mean_interval(values, [str(n) for n in range(60)], resamples=20_000)
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=2e-3)


def test_images_of_one_patient_are_no_independent_evidence():
    values = np.random.default_rng(0).normal(0.8, 0.1, 30).repeat(4)
    by_patient = mean_interval(values, [str(n // 4) for n in range(120)])
    by_image = mean_interval(values, [str(n) for n in range(120)])
    assert by_patient[1] - by_patient[0] > 1.7 * (by_image[1] - by_image[0])


def test_an_interval_of_95_percent_covers_the_truth_about_as_often():
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        sizes = generator.integers(1, 4, 60)
        effects = generator.normal(0.8, 0.1, 60).repeat(sizes)
        values = effects + generator.normal(0, 0.02, sizes.sum())
        low, high = mean_interval(values, np.arange(60).repeat(sizes).astype(str), resamples=500)
        hits += low <= 0.8 <= high
    assert 0.91 <= hits / 400 <= 0.98


def test_edges():
    assert mean_interval(np.array([0.5, 0.7]), ["a", "b"], seed=1) == mean_interval(
        np.array([0.5, 0.7]), ["a", "b"], seed=1
    )
    for values, patients in (([0.5, 0.7], ["a", "a"]), ([np.nan, 0.7], ["a", "b"]), ([np.nan], ["a"])):
        assert np.isnan(mean_interval(np.array(values), patients)).all()
    low, high = mean_interval(np.array([np.nan, 0.4, 0.6]), ["a", "b", "c"])
    assert (low, high) == (0.4, 0.6)
