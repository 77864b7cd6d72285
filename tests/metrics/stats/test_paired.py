import numpy as np
import pytest
from scipy import stats

from lungseg.metrics.stats.multiple_testing import holm
from lungseg.metrics.stats.paired import compare, compare_all, compare_with
from lungseg.metrics.stats.permutation import p_of_all
from tests.metrics.stats.simulated import dice, patients_of


def example(patients, seed=0, most=1, gap=0.0):
    generator = np.random.default_rng(seed)
    names, owner = patients_of(generator, patients, most)
    common = dice(generator, owner, 1)[:, 0] * 0.9
    return common + gap + generator.normal(0, 0.02, len(owner)), common + generator.normal(0, 0.02, len(owner)), names


@pytest.mark.parametrize(("patients", "most"), [(8, 1), (12, 3)])
def test_few_patients_are_enumerated_as_scipy_does(patients, most):
    first, second, names = example(patients, most=most, gap=0.01)
    found = compare(first, second, names)
    _, owner = np.unique(names, return_inverse=True)
    sums = np.bincount(owner, first), np.bincount(owner, second)
    expected = stats.permutation_test(
        sums, lambda a, b, axis: (a - b).sum(axis=axis), permutation_type="samples", vectorized=True
    )
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert found.low < found.difference < found.high
    assert (found.cases, found.patients) == (len(first), patients)


def test_many_patients_are_flipped_by_chance():
    first, second, names = example(40, gap=0.006)
    found = compare(first, second, names, resamples=20_000)
    expected = stats.permutation_test(
        (first - second,), np.mean, permutation_type="samples", vectorized=True, n_resamples=20_000, rng=0
    )
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)
    assert compare(first + 1, second, names, resamples=999).p == 1 / 1000  # never 0


@pytest.mark.parametrize(("patients", "method"), [(11, "exact"), (30, "asymptotic")])
def test_the_other_numbers_against_their_definitions(patients, method):
    first, second, names = example(patients, most=3, gap=0.005)
    found = compare(first, second, names)
    means = np.array([np.mean((first - second)[np.array(names) == name]) for name in dict.fromkeys(names)])
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(means, method=method).pvalue)
    assert found.superiority == (means > 0).mean()
    correction = 1 - 3 / (4 * (patients - 1) - 1)  # Hedges' approximation
    assert found.effect == pytest.approx(correction * means.mean() / means.std(ddof=1), rel=2e-3)


def test_wilcoxon_with_ties_and_zeros_as_scipy_has_it():
    differences = np.array([0.1, -0.1, 0.2, 0.2, 0.3, 0, 0, 0.4, -0.2, 0.5])
    for times, method in ((1, stats.PermutationMethod(n_resamples=2**10)), (3, "asymptotic")):
        values = np.tile(differences, times)
        expected = stats.wilcoxon(values[values != 0], method=method).pvalue
        found = compare(values, 0 * values, [str(n) for n in range(len(values))])
        assert found.wilcoxon_p == pytest.approx(expected)


def test_the_effect_is_not_inflated_by_few_patients():
    generator = np.random.default_rng(0)
    differences = generator.normal(0.5, 1, (8, 4000))
    values = np.hstack([np.zeros((8, 1)), differences])
    effects = [found.effect for found in compare_with(values, 0, list("abcdefgh"), resamples=10)]
    assert np.mean(effects) == pytest.approx(0.5, abs=0.02)
    assert np.mean(differences.mean(axis=0) / differences.std(axis=0, ddof=1)) > 0.54


def test_equal_scores():
    scores = np.random.default_rng(0).beta(8, 2, 30)
    names = [str(n // 2) for n in range(30)]
    for first, second in ((scores, scores), (scores + 0.1, 0.1 + scores), (0.1 + 0.2 + 0 * scores, 0.3 + 0 * scores)):
        found = compare(first, second, names)
        assert found.difference == 0
        assert np.isnan([found.low, found.high]).all()
        assert (found.p, found.wilcoxon_p, found.effect, found.superiority) == (1, 1, 0, 0.5)


def test_one_patient_two_patients_and_none():
    found = compare(np.array([0.8, 0.9]), np.array([0.5, 0.7]), ["a", "a"])
    assert found.difference == pytest.approx(0.25)
    assert np.isnan([found.low, found.high, found.effect]).all()
    assert (found.p, found.wilcoxon_p, found.superiority, found.patients) == (1, 1, 1, 1)
    found = compare(np.array([0.8, 0.9]), np.array([0.5, 0.7]), ["a", "b"])
    assert found.p == 0.5
    assert np.isnan(found.effect)
    found = compare(np.array([np.nan]), np.array([np.nan]), ["a"])
    assert found.cases == found.patients == 0
    assert np.isnan([found.difference, found.low, found.p, found.wilcoxon_p, found.effect, found.superiority]).all()


def test_a_constant_difference():
    names, second = list("abcdef"), np.arange(6) / 10
    found = compare(second + 0.1, second, names)
    assert np.isnan([found.low, found.high]).all()  # no spread to resample: p alone says how sure it is
    assert found.effect == np.inf
    assert found.p == 2 / 64


def test_nan_on_both_sides_is_left_out_and_on_one_side_refused():
    first, second, names = example(20, most=2)
    gap = np.array([names[4] == name for name in names])
    gone = compare(np.where(gap, np.nan, first), np.where(gap, np.nan, second), names)
    assert gone == compare(first[~gap], second[~gap], [name for name in names if name != names[4]])
    first[7] = np.nan
    with pytest.raises(ValueError, match="case 7 has a score on one side only"):
        compare(first, second, names)


def test_first_minus_second():
    first, second, names = example(30, gap=0.05)
    found, back = compare(first, second, names), compare(second, first, names)
    assert found.difference > 0.04
    assert found.superiority > 0.9
    assert (back.difference, back.effect, back.p) == pytest.approx((-found.difference, -found.effect, found.p))
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low), abs=1e-3)


@pytest.mark.parametrize("patients", [9, 40])
def test_many_runs_are_compared_as_two_are(patients):
    generator = np.random.default_rng(0)
    names, owner = patients_of(generator, patients)
    values = dice(generator, owner, 1) + generator.normal(0, 0.02, (len(owner), 5)) + np.arange(5) / 200
    values[2] = np.nan
    pairs = compare_all(values, names)
    against = compare_with(values, 2, names)
    assert len(against) == 4
    for row, column in ((0, 3), (1, 4)):
        single = compare(values[:, row], values[:, column], names)
        for field in ("difference", "low", "high", "p", "wilcoxon_p", "effect", "superiority"):
            assert getattr(pairs, field)[row, column] == pytest.approx(getattr(single, field), abs=1e-9)
    for run, found in zip((0, 1, 3, 4), against, strict=True):
        assert found.difference == pytest.approx(pairs.difference[run, 2])
        assert found.p == pytest.approx(pairs.p[run, 2])
    assert pairs.low == pytest.approx(-pairs.high.T)
    for field, diagonal in (("difference", 0), ("low", 0), ("p", 1), ("effect", 0), ("superiority", 0.5)):
        assert (np.diag(getattr(pairs, field)) == diagonal).all()
    values[3, 1] = np.nan
    with pytest.raises(ValueError, match="case 3 "):
        compare_all(values, names)


def rates(patients, most, gap=0.0, repetitions=4000, layouts=4, own=None):
    """Over comparisons of two skewed runs: share of p <= 5%, of Wilcoxon's, of intervals with the true difference."""
    generator = np.random.default_rng(patients + most)
    found = []
    for _ in range(layouts):
        names, owner = patients_of(generator, patients, most)
        each = repetitions // layouts
        first, second = (dice(generator, owner, each, 9, 1, 60) for _ in range(2))
        values = np.hstack([np.zeros((len(owner), 1)), first - second + gap])
        named = names if own is None else [str(n) for n in range(len(owner))]
        found += [
            (one.p <= 0.05, one.wilcoxon_p <= 0.05, one.low <= gap <= one.high)
            for one in compare_with(values, 0, named, resamples=999)
        ]
    return np.mean(found, axis=0)


@pytest.mark.parametrize(("patients", "most"), [(12, 1), (20, 3), (30, 3), (65, 3)])
def test_where_there_is_no_difference_5_percent_of_4000_comparisons_find_one(patients, most):
    p, wilcoxon, covered = rates(patients, most)
    assert 0.04 <= p <= 0.06
    assert 0.035 <= wilcoxon <= 0.06
    assert 0.93 <= covered <= 0.97


def test_taking_images_for_patients_would_find_one_far_more_often():
    assert rates(30, 4, repetitions=2000, own=True)[0] > 0.12


def test_a_difference_is_found_more_surely_with_more_patients():
    few, more, many = (rates(patients, 3, gap=0.06, repetitions=400)[0] for patients in (15, 40, 120))
    assert 0.2 < few < 0.5 < more < 0.9 < many


def test_holm_keeps_one_false_alarm_or_more_over_ten_equal_runs_to_6_percent_of_600_studies():
    generator = np.random.default_rng(0)
    upper = np.triu_indices(10, 1)
    alarms = raw = 0
    for study in range(600):
        names, owner = patients_of(generator, 20, 2)
        pairs = compare_all(dice(generator, owner, 10, 9, 1), names, resamples=1999, seed=study)
        raw += pairs.p[upper].min() <= 0.05
        alarms += holm(pairs.p[upper]).min() <= 0.05
    assert alarms / 600 <= 0.06
    assert raw / 600 > 0.3


def test_many_runs_have_the_p_of_pairs_and_less_where_no_flip_went_as_far():
    generator = np.random.default_rng(0)
    values = generator.normal(0.5, 0.1, (60, 6)) + np.array([0, 0, 0.02, 0.02, 0.3, 0.3])
    names = [str(n // 2) for n in range(60)]
    pairs, found = compare_all(values, names).p, p_of_all(values, names)
    small = pairs == 1 / 10_001
    assert (found[~small] == pairs[~small]).all()
    assert small.sum() == 16
    sums = values.reshape(30, 2, 6).sum(axis=1)
    away = sums[:, 0] - sums[:, 5]
    bound = 2 * np.exp(-(away.sum() ** 2) / (2 * (away**2).sum()))
    assert found[0, 5] == pytest.approx(min(bound, 1 / 10_001))
    assert found[0, 5] < 1e-5
    assert np.array_equal(found, found.T)
    few = p_of_all(values[:12], names[:12])
    assert (few == compare_all(values[:12], names[:12]).p).all()  # all flips there are
    assert np.isnan(p_of_all(np.full((3, 2), np.nan), list("abc"))).all()


def test_a_small_p_is_never_below_that_of_all_flips():
    """Hoeffding's bound, against the enumeration that fewer resamples leave out."""
    generator = np.random.default_rng(1)
    values = np.stack([generator.normal(0.5 + 0.2, 0.1, 13), generator.normal(0.5, 0.1, 13)], axis=1)
    names = [str(n) for n in range(13)]
    exact = compare(values[:, 0], values[:, 1], names).p
    assert exact <= p_of_all(values, names, resamples=100)[0, 1]
