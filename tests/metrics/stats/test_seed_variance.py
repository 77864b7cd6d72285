import numpy as np
import pytest
from scipy import stats

from lungseg.metrics.stats.paired import compare
from lungseg.metrics.stats.seed_variance import seeds_p, spread
from tests.metrics.stats.simulated import patients_of


def scores(generator, owner, seeds, between_seeds=0.02, between_cases=0.1, residual=0.05, by_patient=0.0):
    """``by_patient``: SD of what a seed does to all images of a patient alike."""
    return (
        0.8
        + generator.normal(0, between_cases, (len(owner), 1))
        + generator.normal(0, between_seeds, seeds)
        + generator.normal(0, by_patient, (owner.max() + 1, seeds))[owner]
        + generator.normal(0, residual, (len(owner), seeds))
    )


def test_known_components_are_recovered_in_the_mean_of_300_studies():
    generator = np.random.default_rng(0)
    names, owner = patients_of(generator, 60)
    found = [spread(scores(generator, owner, 6), names) for _ in range(300)]
    for field, truth in (("between_seeds", 0.02), ("between_cases", 0.1), ("residual", 0.05)):
        assert np.mean([getattr(one, field) ** 2 for one in found]) == pytest.approx(truth**2, rel=0.06)


def test_what_a_seed_does_to_a_patient_is_not_taken_for_a_better_seed():
    generator = np.random.default_rng(0)
    owner = np.arange(20).repeat(8)
    found = [spread(scores(generator, owner, 5, 0.03, by_patient=0.08), owner.tolist()) for _ in range(400)]
    corrected = np.mean([one.between_seeds**2 for one in found])
    by_image = np.mean([one.seed_sd**2 - one.residual**2 / 160 for one in found])
    assert corrected == pytest.approx(0.03**2, rel=0.1)
    assert by_image > 1.25 * 0.03**2


def test_seeds_that_differ_by_noise_alone():
    generator = np.random.default_rng(0)
    names, owner = patients_of(generator, 30)
    found = [spread(scores(generator, owner, 5, between_seeds=0), names) for _ in range(200)]
    assert np.mean([one.between_seeds == 0 for one in found]) > 0.4
    assert min(one.seed_sd for one in found) > 0


def test_with_one_case_a_patient_it_is_the_textbook_analysis_of_variance():
    generator = np.random.default_rng(0)
    values = scores(generator, np.arange(25), 4)
    found = spread(values, [str(n) for n in range(25)])
    rows, columns = values.mean(axis=1, keepdims=True), values.mean(axis=0)
    within = ((values - rows - columns + values.mean()) ** 2).sum() / (24 * 3)
    assert found.residual == pytest.approx(within**0.5)
    assert found.between_seeds == pytest.approx((columns.var(ddof=1) - within / 25) ** 0.5)
    assert found.between_cases == pytest.approx((rows.var(ddof=1) - within / 4) ** 0.5)
    assert found.seed_sd == pytest.approx(columns.std(ddof=1))
    assert found.seed_means == pytest.approx(columns)


def test_edges_of_spread():
    generator = np.random.default_rng(0)
    values = scores(generator, np.arange(12), 3)
    names = [str(n) for n in range(12)]
    one = spread(values[:, :1], names)
    assert np.isnan([one.between_seeds, one.seed_sd, one.residual]).all()
    assert one.between_cases == pytest.approx(values[:, 0].std(ddof=1))
    patient = spread(values, ["a"] * 12)
    assert np.isnan(patient.between_seeds)
    case = spread(values[:1], ["a"])
    assert np.isnan([case.between_cases, case.residual, case.between_seeds]).all()
    assert case.seed_sd > 0
    equal = spread(np.full((12, 3), 0.7), names)
    assert (equal.between_seeds, equal.between_cases, equal.residual) == pytest.approx((0, 0, 0), abs=1e-12)
    nothing = spread(np.full((2, 3), np.nan), ["a", "b"])
    assert np.isnan([nothing.seed_sd, nothing.residual, *nothing.seed_means]).all()
    gap = np.vstack([values, np.full((1, 3), np.nan)])
    assert spread(gap, [*names, "x"]).seed_means == pytest.approx(values.mean(axis=0))
    gap[3, 1] = np.nan
    with pytest.raises(ValueError, match="case 3 "):
        spread(gap, [*names, "x"])


def test_arms_are_compared_by_the_means_of_their_seeds():
    generator = np.random.default_rng(0)
    both = scores(generator, patients_of(generator, 40)[1], 7, residual=0.03)
    both[:, :4] += 0.03
    both[4] = np.nan
    means = np.nanmean(both, axis=0)
    expected = stats.ttest_ind(means[:4], means[4:], equal_var=False)
    assert seeds_p(both[:, :4], both[:, 4:]) == pytest.approx(expected.pvalue)


def test_a_lucky_seed_is_sure_over_cases_and_unsure_over_seeds():
    generator = np.random.default_rng(0)
    owner = np.arange(100)
    sure, found = 0, 0
    for study in range(200):
        both = scores(generator, owner, 6, between_seeds=0.03, residual=0.02)
        means = both[:, :3].mean(axis=1), both[:, 3:].mean(axis=1)
        sure += compare(*means, owner.tolist(), resamples=199, seed=study).p <= 0.05
        found += seeds_p(both[:, :3], both[:, 3:]) <= 0.05
    assert sure / 200 > 0.6
    assert found / 200 < 0.08


@pytest.mark.filterwarnings("error")
def test_edges_of_arms():
    both = scores(np.random.default_rng(0), np.arange(10), 4)
    for first, second in (
        (both[:, :1], both[:, 1:]),
        (both[:, [0, 0]], both[:, [1, 1, 1]]),
        (both[:, [0, 0]] + [0, 1e-15], both[:, [1, 1]]),
        (np.full((3, 2), np.nan), np.full((3, 2), np.nan)),
    ):
        assert np.isnan(seeds_p(first, second))
    both[2, 3] = np.nan
    with pytest.raises(ValueError, match="case 2 "):
        seeds_p(both[:, :2], both[:, 2:])
