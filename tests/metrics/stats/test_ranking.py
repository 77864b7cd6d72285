import numpy as np
import pytest
from scipy import stats

from lungseg.metrics.stats.bootstrap import resampled_means
from lungseg.metrics.stats.ranking import rank
from tests.metrics.stats.simulated import dice, patients_of


def runs(gaps, patients=40, noise=0.05):
    generator = np.random.default_rng(0)
    names, owner = patients_of(generator, patients)
    return dice(generator, owner, 1) * 0.8 + generator.normal(0, noise, (len(owner), len(gaps))) + gaps, names


def test_a_clear_order():
    found = rank(*runs([0.1, 0.3, 0.0, 0.2]))
    assert found.order.tolist() == [1, 3, 0, 2]
    assert found.first.tolist() == [0, 1, 0, 0]
    assert found.rank_low.tolist() == found.rank_high.tolist() == [3, 1, 4, 2]
    assert found.agreement == 1


def test_lower_may_be_better():
    values, names = runs([0.1, 0.3, 0.0, 0.2])
    found = rank(values, names, higher_is_better=False)
    assert found.order.tolist() == [2, 0, 3, 1]
    assert found.first.tolist() == [0, 0, 1, 0]
    assert found.means == pytest.approx(values.mean(axis=0))


def test_runs_that_do_not_differ_change_places():
    found = rank(*runs([0.0] * 6))
    assert found.first.sum() == pytest.approx(1)
    assert found.first.max() < 0.9
    assert (found.rank_high - found.rank_low).max() >= 3
    assert found.agreement < 0.8


def test_against_rankings_one_by_one():
    values, names = runs([0.0, 0.01, 0.01, 0.02, 0.0])
    found = rank(values, names, resamples=300)
    drawn = resampled_means(values, names, 300)
    taus = [stats.kendalltau(one, values.mean(axis=0)).statistic for one in drawn]
    assert found.agreement == pytest.approx(np.mean(taus))
    assert found.first == pytest.approx(np.bincount(drawn.argmax(axis=1), minlength=5) / 300)


def test_ties_share():
    values, names = runs([0.0, 0.2])
    found = rank(values[:, [1, 0, 1, 1]], names)
    assert found.first == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])
    assert found.rank_low.tolist() == [2, 4, 2, 2]
    assert found.order.tolist() == [0, 2, 3, 1]
    assert found.agreement == pytest.approx(1)  # tau-b


def test_edges():
    values, names = runs([0.1, 0.0])
    one = rank(values[:, :1], names)
    assert (one.first.tolist(), one.rank_high.tolist()) == ([1], [1])
    assert np.isnan(one.agreement)
    assert np.isnan(rank(values[:, [0, 0]], names).agreement)
    single = rank(values[:2], ["a", "a"])
    assert np.isnan([*single.first, *single.rank_low, *single.rank_high, single.agreement]).all()
    assert single.means == pytest.approx(values[:2].mean(axis=0))
    assert np.isnan(rank(np.full((3, 2), np.nan), ["a", "b", "c"]).means).all()
    values[5] = np.nan
    assert rank(values, names).means == pytest.approx(np.nanmean(values, axis=0))
    values[6, 1] = np.nan
    with pytest.raises(ValueError, match="case 6 "):
        rank(values, names)
