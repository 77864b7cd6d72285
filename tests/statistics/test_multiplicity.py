import numpy as np
import pytest
from scipy import stats

from lungseg.statistics.multiplicity import benjamini_hochberg, holm


def test_holm_by_hand():
    assert holm(np.array([0.03, 0.005, 0.04, 0.01])) == pytest.approx([0.06, 0.02, 0.06, 0.03])
    assert holm(np.array([0.01, 0.02, 0.03, 0.5, 0.9])) == pytest.approx([0.05, 0.08, 0.09, 1, 1])


def test_benjamini_hochberg_as_scipy():
    for seed in range(5):
        p = np.random.default_rng(seed).random(30) ** 2
        assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    assert benjamini_hochberg(np.array([0.03, 0.005, 0.04, 0.01])) == pytest.approx([0.04, 0.02, 0.04, 0.02])


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_nan_stays_and_is_not_counted(adjust):
    p = np.array([0.02, np.nan, 0.3, 0.001, np.nan])
    adjusted = adjust(p)
    assert np.isnan(adjusted).tolist() == [False, True, False, False, True]
    assert adjusted[[0, 2, 3]] == pytest.approx(adjust(np.array([0.02, 0.3, 0.001])))
    assert p[0] == 0.02  # the input is left as it was


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_edges(adjust):
    assert adjust(np.array([0.2])).tolist() == [0.2]
    assert adjust(np.array([])).shape == (0,)
    assert np.isnan(adjust(np.array([np.nan]))).all()
    assert adjust(np.array([1.0, 1.0])).tolist() == [1, 1]


def test_holm_never_finds_more_than_benjamini_hochberg():
    p = np.random.default_rng(0).random(50) ** 4
    assert (holm(p) >= benjamini_hochberg(p)).all()
    assert (benjamini_hochberg(p) >= p).all()
