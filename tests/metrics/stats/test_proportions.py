import numpy as np
import pytest
from scipy import stats

from lungseg.metrics.stats.patient_weights import effective_patients
from lungseg.metrics.stats.proportions import share_interval, share_intervals


@pytest.mark.parametrize(("hits", "of"), [(0, 20), (1, 20), (7, 20), (20, 20), (0, 1), (3, 400)])
def test_it_is_clopper_and_pearsons(hits, of):
    expected = stats.binomtest(hits, of).proportion_ci(method="exact")
    assert share_interval(hits / of, of) == pytest.approx((expected.low, expected.high))


def test_none_of_20_may_be_a_sixth():
    assert share_interval(0.0, 20)[1] == pytest.approx(0.168, abs=5e-4)


def test_edges():
    assert np.isnan(share_interval(float("nan"), 5)).all()
    assert np.isnan(share_interval(float("nan"), 0)).all()
    low, high = share_intervals(np.array([0.0, 0.3, 1.0]), 7.3)
    assert low[0] == 0
    assert high[2] == 1
    assert (low[1] < 0.3) & (high[1] > 0.3)
    wider = share_interval(0.3, 7.3, level=0.99)
    assert wider[0] < low[1]
    assert wider[1] > high[1]


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.5])
def test_it_holds_the_truth_where_all_images_of_a_patient_are_alike(rate):
    generator, hits = np.random.default_rng(0), []
    for _ in range(1500):
        owner = np.arange(20).repeat(generator.integers(1, 6, 20))
        values = (generator.random(20) < rate)[owner].astype(float)
        low, high = share_interval(float(values.mean()), effective_patients(values, owner.astype(str).tolist()))
        hits.append(low <= rate <= high)
    assert np.mean(hits) >= 0.95
