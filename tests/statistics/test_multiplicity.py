import numpy as np
import pytest

from lungseg.statistics.multiplicity import holm


def test_holm_by_hand():
    assert holm(np.array([0.03, 0.005, 0.04, 0.01])) == pytest.approx([0.06, 0.02, 0.06, 0.03])
    assert holm(np.array([0.01, 0.02, 0.03, 0.5, 0.9])) == pytest.approx([0.05, 0.08, 0.09, 1, 1])


def test_nan_stays_and_is_not_counted():
    p = np.array([0.02, np.nan, 0.3, 0.001, np.nan])
    adjusted = holm(p)
    assert np.isnan(adjusted).tolist() == [False, True, False, False, True]
    assert adjusted[[0, 2, 3]] == pytest.approx(holm(np.array([0.02, 0.3, 0.001])))
    assert p[0] == 0.02  # the input is left as it was


def test_edges():
    assert holm(np.array([0.2])).tolist() == [0.2]
    assert holm(np.array([])).shape == (0,)
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert holm(np.array([1.0, 1.0])).tolist() == [1, 1]
