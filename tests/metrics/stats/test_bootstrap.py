import numpy as np
import pytest
from scipy import stats

from lungseg.metrics.stats.bootstrap import mean_interval, mean_intervals, resampled_means
from lungseg.metrics.stats.patient_weights import ENOUGH, effective_patients, weighted, weighted_mean
from tests.metrics.stats.simulated import dice, patients_of


def coverage(patients, good, bad, repetitions=4000, layouts=8):
    """Shares of the repetitions in which the bootstrap-t and the plain percentile interval hold the true mean."""
    generator = np.random.default_rng(patients)
    truth, hits = good / (good + bad), np.zeros(2)
    for layout in range(layouts):
        names, owner = patients_of(generator, patients)
        values = dice(generator, owner, repetitions // layouts, good, bad)
        means = resampled_means(values, names, 1000, seed=layout)
        for n, (low, high) in enumerate(
            [mean_intervals(values, names, resamples=1000, seed=layout), np.quantile(means, [0.025, 0.975], axis=0)]
        ):
            hits[n] += ((low <= truth) & (truth <= high)).sum()
    return hits / repetitions


@pytest.mark.parametrize("patients", [ENOUGH, 20, 30, 65, 200])
@pytest.mark.parametrize(("good", "bad"), [(3, 2), (8, 2), (9, 1), (4, 0.4)])
def test_an_interval_of_95_percent_holds_the_truth_in_93_to_97_percent_of_4000_simulated_samples(patients, good, bad):
    assert 0.93 <= coverage(patients, good, bad)[0] <= 0.97


def test_where_a_percentile_interval_would_hold_it_less_often():
    ours, percentile = coverage(20, 4, 0.4)
    assert percentile < 0.905
    assert ours > 0.935


def test_it_gets_rough_below_few_patients():
    assert 0.88 < coverage(5, 9, 1)[0] < 0.93
    assert coverage(3, 9, 1)[0] < 0.88


def test_it_is_a_bootstrap_t_no_narrower_than_t_on_either_side():
    generator = np.random.default_rng(0)
    names, owner = patients_of(generator, 25)
    values = dice(generator, owner, 1)[:, 0]

    def mean_and_error(people):
        chosen = [values[owner == person] for person in people]
        mean = np.concatenate(chosen).mean()
        off = [(part - mean).sum() for part in chosen]
        return mean, np.sqrt(25 / 24 * np.sum(np.square(off))) / sum(map(len, chosen))

    mean, error = mean_and_error(range(25))
    drawn = [mean_and_error(generator.integers(25, size=25)) for _ in range(4000)]
    below, above = np.quantile([(other - mean) / own for other, own in drawn], [0.025, 0.975])
    reach = stats.t.ppf(0.975, 24)
    assert above > reach > -below  # scores are skewed to the left: so is the interval, but t's upper bound is kept
    expected = mean - above * error, mean + reach * error
    width = expected[1] - expected[0]
    assert mean_interval(values, names, resamples=20_000) == pytest.approx(expected, abs=0.05 * width)


def test_images_of_one_patient_are_no_independent_evidence():
    values = np.random.default_rng(0).normal(0.8, 0.1, 30).repeat(4)
    by_patient = mean_interval(values, [str(n // 4) for n in range(120)])
    by_image = mean_interval(values, [str(n) for n in range(120)])
    assert by_patient[1] - by_patient[0] > 1.7 * (by_image[1] - by_image[0])


def test_an_interval_holds_the_mean_and_stays_within_the_values():
    generator = np.random.default_rng(0)
    for patients in (2, 3, 5, 8):
        names, owner = patients_of(generator, patients)
        values = np.hstack([dice(generator, owner, 50), (dice(generator, owner, 50) > 0.9).astype(float)])
        low, high = mean_intervals(values, names)
        assert np.isnan(low).tolist() == np.isnan(high).tolist() == (np.ptp(values, axis=0) == 0).tolist()
        values, low, high = (found[..., ~np.isnan(low)] for found in (values, low, high))
        mean = values.mean(axis=0)
        assert (values.min(axis=0) <= low).all()
        assert (low <= mean + 1e-12).all()
        assert (mean <= high + 1e-12).all()
        assert (high <= values.max(axis=0)).all()


def test_one_odd_case_of_twenty_does_not_stretch_it_over_all_values():
    low, high = mean_interval(np.eye(20)[0], [str(n) for n in range(20)])
    assert low == 0
    assert high == pytest.approx(stats.binomtest(1, 20).proportion_ci().high, abs=0.03)


def test_a_higher_level_is_wider():
    values, names = np.random.default_rng(0).beta(8, 2, 40), [str(n) for n in range(40)]
    narrow, wide = mean_interval(values, names, level=0.8), mean_interval(values, names, level=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_edges():
    pair = np.array([0.5, 0.7])
    assert mean_interval(pair, ["a", "b"], seed=1) == mean_interval(pair, ["a", "b"], seed=1)
    for values, patients in (([0.5, 0.7], ["a", "a"]), ([np.nan, 0.7], ["a", "b"]), ([np.nan], ["a"]), ([], [])):
        assert np.isnan(mean_interval(np.array(values), patients)).all()
    low, high = mean_interval(np.array([np.nan, 0.4, 0.6]), ["a", "b", "c"])
    assert (low, high) == (0.4, 0.6)
    assert np.isnan(mean_interval(np.full(9, 0.1), list("abcdefghi"))).all()  # nothing to resample
    with pytest.raises(ValueError, match="2 cases but 3 patients"):
        mean_intervals(np.ones((2, 1)), ["a", "b", "c"])


def test_resampled_means_are_the_usual_bootstrap_with_one_case_a_patient():
    values = np.random.default_rng(0).beta(8, 2, 60)
    means = resampled_means(values[:, None], [str(n) for n in range(60)], 20_000)
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx([expected.low, expected.high], abs=2e-3)


def test_resampled_means_draw_the_same_patients_for_all_runs_and_skip_what_has_no_score():
    generator = np.random.default_rng(0)
    names, owner = patients_of(generator, 30)
    one = dice(generator, owner, 1)[:, 0]
    gaps = np.where(owner == 3, np.nan, one)
    means = resampled_means(np.stack([one, one + 0.1, gaps, np.where(owner == 3, one, np.nan)], axis=1), names, 500)
    assert means.shape == (500, 4)
    assert means[:, 1] == pytest.approx(means[:, 0] + 0.1)
    assert means[:, 2].mean() == pytest.approx(one[owner != 3].mean(), abs=0.01)
    assert 0.3 < np.isnan(means[:, 3]).mean() < 0.43  # the one patient is not drawn: (1 - 1/30)^30
    assert np.nanstd(means[:, 3]) < 1e-12
    assert np.isnan(resampled_means(one[:2, None], ["a", "a"], 5)).all()


def test_effective_patients_by_hand():
    values = np.array([0.5, np.nan, 0.5, 0.5, 0.5, 0.5, np.nan])
    names = list("aaabbcd")
    assert effective_patients(values, names) == pytest.approx(25 / 9)
    assert effective_patients(values, names, "patients") == 3
    assert effective_patients(np.full(3, np.nan), list("abc")) == 0
    assert effective_patients(np.ones(90), ["often"] * 60 + [str(n) for n in range(30)]) == pytest.approx(8100 / 3630)
    assert effective_patients(np.ones(40), [str(n // 2) for n in range(40)]) == 20


def test_a_mean_over_patients_is_that_of_their_means_and_so_is_its_interval():
    generator = np.random.default_rng(0)
    names, owner = patients_of(generator, 25, 9)
    values = dice(generator, owner, 2)
    values[:3, 0] = np.nan
    own = [np.nanmean(values[owner == one, 0]) for one in range(25) if not np.isnan(values[owner == one, 0]).all()]
    labels = [str(n) for n in range(len(own))]
    assert weighted_mean(values[:, 0], names, "patients") == pytest.approx(np.mean(own))
    low, high = mean_interval(values[:, 0], names, weight="patients")
    expected = mean_interval(np.array(own), labels)
    assert (low, high) == pytest.approx(expected, rel=0.05)
    assert mean_interval(values[:, 1], names, weight="images") == mean_interval(values[:, 1], names)
    rows, kept = weighted(values, names, "images")
    assert rows is values
    assert kept == names


def test_with_few_effective_patients_it_holds_the_truth_less_often_than_it_says():
    """One patient with 60 of 90 images: why that is warned of."""
    generator, owner = np.random.default_rng(0), np.concatenate([np.zeros(60, int), np.arange(1, 31)])
    names = owner.astype(str).tolist()
    values = dice(generator, owner, 2000)
    low, high = mean_intervals(values, names, resamples=1000)
    assert effective_patients(values[:, 0], names) < ENOUGH
    assert ((low <= 0.8) & (high >= 0.8)).mean() < 0.85
