import warnings

import numpy as np
import pytest
from scipy import stats

from lungseg.metrics.stats.agreement import bland_altman
from lungseg.metrics.stats.bootstrap import mean_interval


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def measured(cases=60, bias=2.0):
    generator = np.random.default_rng(0)
    reference = generator.gamma(5, 10, cases)
    return reference, reference + generator.normal(bias, 4, cases), [str(n // 2) for n in range(cases)]


def test_against_the_definitions():
    reference, predicted, names = measured()
    found = bland_altman(reference, predicted, names)
    differences = predicted - reference
    assert found.bias == pytest.approx(differences.mean())
    assert (found.bias_low, found.bias_high) == mean_interval(differences, names)
    assert found.upper_limit - found.lower_limit == pytest.approx(2 * 1.96 * differences.std(ddof=1))
    assert np.mean((found.lower_limit < differences) & (differences < found.upper_limit)) >= 0.9
    assert found.mean_absolute_error == pytest.approx(np.abs(differences).mean())
    assert found.pearson == pytest.approx(stats.pearsonr(reference, predicted).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(reference, predicted).statistic)
    assert found.cases == 60


def test_concordance_sees_what_correlation_does_not():
    truth, names = np.array([1.0, 2, 3, 4]), list("abcd")
    shifted = bland_altman(truth, truth + 1, names)
    assert shifted.pearson == pytest.approx(1)
    assert shifted.concordance == pytest.approx(2 * 1.25 / (1.25 + 1.25 + 1))
    doubled = bland_altman(truth, 2 * truth, names)
    assert doubled.concordance == pytest.approx(2 * 2.5 / (1.25 + 5 + 2.5**2))
    same = bland_altman(truth, truth, names)
    assert (same.bias, same.lower_limit, same.concordance) == (0, 0, 1)
    assert np.isnan([same.bias_low, same.bias_high]).all()  # no spread to resample


def test_missing_measurements_are_left_out_and_counted():
    reference, predicted, names = measured()
    predicted[3], reference[9] = np.nan, np.nan
    kept = ~np.isnan(predicted + reference)
    left = [name for name, there in zip(names, kept, strict=True) if there]
    assert bland_altman(reference, predicted, names) == bland_altman(reference[kept], predicted[kept], left)
    assert bland_altman(reference, predicted, names).cases == 58


def test_edges():
    two = bland_altman(np.array([1.0, 2]), np.array([2.0, 2]), ["a", "b"])
    assert (two.bias, two.mean_absolute_error, two.cases) == (0.5, 0.5, 2)
    assert np.isnan([two.lower_limit, two.upper_limit, two.pearson, two.spearman, two.concordance]).all()
    none = bland_altman(np.array([np.nan]), np.array([1.0]), ["a"])
    assert none.cases == 0
    assert np.isnan([none.bias, none.bias_low, none.mean_absolute_error, none.concordance]).all()
    steps, level = np.arange(5.0), np.full(5, 0.1 + 0.2)
    for reference, predicted in ((steps, level), (level, steps), (level, level), (0 * steps, 0 * steps)):
        found = bland_altman(reference, predicted, list("abcde"))
        assert np.isnan([found.pearson, found.spearman, found.concordance]).all()
        assert np.isfinite([found.bias, found.lower_limit]).all()
