"""Every number of an analysis against one that is worked out otherwise."""

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from comparison.runs import family, make_run, people, report_of, scores_of
from lungseg.comparison.analysis import SURE
from lungseg.comparison.report import csv_rows, sentence
from lungseg.comparison.report import warnings as cautions

COUNT = 24


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = family(tmp_path_factory.mktemp("family"), COUNT, pictures=False)
    return report_of(*(root / name for name in ("best-0", "best-1", "tuned", "plain")))


@pytest.fixture
def dice(report):
    return report.analyses["infection/dice"]


@pytest.fixture
def by_patient(dice):
    """Mean over each patient's cases, [P, A], of patients with a score."""
    owner = np.arange(COUNT) % (COUNT // 2)
    known = ~np.isnan(dice.values).any(axis=1)
    return np.stack([dice.values[known & (owner == p)].mean(axis=0) for p in np.unique(owner[known])])


def test_arms_are_means_over_seeds(report, dice):
    assert [arm.columns for arm in report.arms] == [[0, 1], [2], [3]]
    expected = np.stack(
        [(scores_of(COUNT, 0.9, seed=1) + scores_of(COUNT, 0.9, seed=2)) / 2, scores_of(COUNT, 0.7, seed=3)], axis=1
    )
    assert np.allclose(dice.values[:, :2], expected, atol=1e-3, equal_nan=True)
    assert np.allclose(dice.ranking.means, np.nanmean(dice.values, axis=0))
    assert (dice.best, dice.ranking.order[0]) == (0, 0)
    assert dice.cases == 18
    assert dice.patients == 9


def test_intervals_are_each_columns_own(report, dice):
    from lungseg.statistics.bootstrap import mean_interval

    for found in report.analyses.values():
        for place in range(3):
            expected = mean_interval(found.values[:, place], report.group.table.patient)
            assert (found.low[place], found.high[place]) == pytest.approx(expected, nan_ok=True)
    assert (dice.low < dice.ranking.means).all()
    assert (dice.ranking.means < dice.high).all()


def test_p_is_that_of_swapping_patients_between_arms(dice, by_patient):
    owner = np.arange(COUNT) % (COUNT // 2)
    sums = np.stack([np.nansum(dice.values[owner == p], axis=0) for p in range(COUNT // 2)])
    sums = sums[np.abs(sums).sum(axis=1) > 0]
    p = []
    for place in (1, 2):
        away = sums[:, place] - sums[:, 0]
        flips = np.array(list(itertools.product([1, -1], repeat=len(away)))) @ away
        p.append(np.mean(np.abs(flips) >= abs(away.sum()) - 1e-9))
        assert dice.versus[place].p == pytest.approx(p[-1])
        expected = stats.wilcoxon(by_patient[:, place] - by_patient[:, 0]).pvalue
        assert dice.versus[place].wilcoxon_p == pytest.approx(expected)
        assert dice.versus[place].difference == pytest.approx(dice.ranking.means[place] - dice.ranking.means[0])
        assert dice.versus[place].superiority == np.mean(by_patient[:, place] > by_patient[:, 0])
    smaller, larger = sorted(p)
    holm = [min(2 * smaller, 1), max(min(2 * smaller, 1), larger)]
    assert sorted(dice.adjusted[1:]) == pytest.approx(holm)
    assert dice.versus[0] is None
    assert np.isnan(dice.adjusted[0])


def test_all_pairs_agree_with_the_pairs_with_the_best(dice):
    for place in (1, 2):
        one = dice.versus[place]
        for name in ("difference", "low", "high", "p", "wilcoxon_p", "effect", "superiority"):
            assert getattr(dice.pairs, name)[place, 0] == pytest.approx(getattr(one, name)), name
    assert np.allclose(dice.pairs.difference, -dice.pairs.difference.T)
    upper = dice.pairs.p[np.triu_indices(3, 1)]
    order = np.argsort(upper)
    expected = np.empty(3)
    expected[order] = np.minimum(np.maximum.accumulate(upper[order] * [3, 2, 1]), 1)
    assert dice.pairs_adjusted[np.triu_indices(3, 1)] == pytest.approx(expected)
    assert np.allclose(dice.pairs_adjusted, dice.pairs_adjusted.T, equal_nan=True)


def test_seeds_have_a_spread_and_a_test_of_their_own(report, dice):
    scores = report.group.scores["infection/dice"]
    means = np.nanmean(scores, axis=0)
    found = dice.spreads[0]
    assert list(dice.spreads) == [0]
    assert found.seed_means == pytest.approx(means[:2])
    assert found.seed_sd == pytest.approx(np.std(means[:2], ddof=1))
    assert np.isnan(dice.seeds_p).all()


def test_the_luck_of_the_seed_is_told(tmp_path):
    """Two arms of two seeds: one seed of each is far off, all cases alike."""
    cases = people(30)
    levels = {"a": (0.9, 0.6), "b": (0.7, 0.5)}
    for name, values in levels.items():
        for seed, level in enumerate(values):
            make_run(tmp_path / f"{name}{seed}", cases, scores_of(30, level, seed=seed), seed=seed, label=name,
                     model__name=name, pictures=False)  # fmt: skip
    report = report_of(tmp_path)
    dice = report.analyses["infection/dice"]
    means = np.nanmean(report.group.scores["infection/dice"], axis=0)
    expected = stats.ttest_ind(means[2:], means[:2], equal_var=False).pvalue
    assert dice.seeds_p[1] == pytest.approx(expected)
    assert dice.sure
    assert "That is for these seeds" in sentence(dice, report.arms)


def test_false_alarms_are_of_the_cases_without_the_region(report):
    found = report.analyses["infection/false_alarm"]
    empty = np.arange(0, COUNT, 4)
    one = (empty * 3 % 40 > 0).mean()
    assert found.ranking.means == pytest.approx([one, one, 0])
    assert found.best == 2
    assert found.cases == len(empty)
    area = report.analyses["infection/false_alarm_area"].ranking.means
    assert area == pytest.approx(np.array([1, 2, 0]) * (empty * 3 % 40).mean() / 100**2)


def test_lower_is_better_for_distances(report, dice):
    found = report.analyses["infection/hd95"]
    assert list(found.ranking.order) == list(dice.ranking.order)
    assert found.ranking.means[0] < found.ranking.means[1]
    assert found.sure == dice.sure is True


def test_subgroups_hold_each_their_cases(report, dice):
    by = {(one.by, one.name): one for one in dice.subgroups}
    assert {one.by for one in dice.subgroups} == {"class", "size of the infection"}
    known = ~np.isnan(dice.values).any(axis=1)
    for number, name in enumerate(("COVID-19", "Normal", "Non-COVID")):
        rows = known & (np.arange(COUNT) % 3 == number)
        assert by["class", name].cases == rows.sum()
        assert by["class", name].mean == pytest.approx(dice.values[rows].mean(axis=0))
    assert sum(one.cases for one in dice.subgroups if one.by.startswith("size")) == dice.cases


def test_the_sentence_and_the_table_say_what_is_sure(report, dice):
    said = sentence(dice, report.arms)
    assert said.startswith("**unet scratch** has the best Dice of the infection, 0.")
    assert "**surely better** than all 2 others" in said
    rows = [row for row in csv_rows([report]) if row["score"] == "dice"]
    assert [row["rank"] for row in rows] == [1, 2, 3] or [row["rank"] for row in rows] == [1, 3, 2]
    assert rows[1]["p_corrected"] == pytest.approx(dice.adjusted[1], abs=1e-6)
    assert rows[0]["p"] is None
    assert {row["cases"] for row in rows} == {18}
    assert not any(isinstance(value, float) and not np.isfinite(value) for row in rows for value in row.values())


def alike(root, count=12, patients=None, scores=(0.8, 0.8), **more):
    cases = people(count, patients)
    for number, score in enumerate(scores):
        dice = np.full(count, score) if np.isscalar(score) else score
        make_run(root / f"run-{number}", cases, dice, model__name=f"net{number}", pictures=False, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return report_of(root)


def test_equal_scores_are_a_tie(tmp_path):
    report = alike(tmp_path, scores=(0.8, 0.8, 0.8))
    dice = report.analyses["infection/dice"]
    assert dice.adjusted[1:] == pytest.approx([1, 1])
    assert not dice.sure
    assert dice.ranking.first == pytest.approx([1 / 3] * 3)
    assert "**cannot be told apart** from net1 and net2" in sentence(dice, report.arms)
    assert "infection/false_alarm" not in report.analyses


def test_a_reference_that_is_empty_everywhere_leaves_the_false_alarms(tmp_path):
    report = alike(tmp_path, scores=(np.nan, np.nan), alarms=np.arange(12))
    assert "infection/dice" not in report.analyses
    first = report.of_region("infection")[0]
    assert (first.kind.metric, first.ranking.means[0]) == ("false_alarm", pytest.approx(11 / 12))
    assert "False alarms" in sentence(first, report.arms)


def test_one_patient_has_no_interval_and_nothing_is_sure(tmp_path):
    report = alike(tmp_path, patients=1, scores=(0.9, 0.3))
    dice = report.analyses["infection/dice"]
    assert np.isnan(dice.low).all()
    assert not dice.sure
    assert not dice.behind(1)
    assert "cannot be told apart" in sentence(dice, report.arms)
    assert cautions(report)[0].startswith("Only 1 patients")


def test_a_score_that_no_case_defines_for_all_runs_is_left_out(tmp_path):
    """Each of two runs has a severity only where the other has none."""
    cases = people(8)
    for name in "ab":
        make_run(tmp_path / name, cases, np.full(8, 0.8), pictures=False, model__name=name)
        table = tmp_path / name / "evaluation" / "phantom-test" / "cases.csv"
        head, *lines = table.read_text().splitlines()
        place = head.split(",").index("infection_severity_predicted")
        for number in range(name == "a", 8, 2):
            cells = lines[number].split(",")
            cells[place] = ""
            lines[number] = ",".join(cells)
        table.write_text("\n".join([head, *lines]) + "\n")
    report = report_of(tmp_path)
    assert "infection/severity_error" not in report.analyses
    assert "infection/dice" in report.analyses


def test_many_arms_are_paired_among_the_best_alone(tmp_path):
    rng = np.random.default_rng(0)
    report = alike(tmp_path, scores=[np.clip(rng.normal(0.9 - n / 100, 0.02, 12), 0, 1) for n in range(27)])
    dice = report.analyses["infection/dice"]
    best = dice.ranking.order[:24]
    assert not np.isnan(dice.pairs.p[np.ix_(best, best)]).any()
    assert np.isnan(dice.pairs.p[dice.ranking.order[24:]]).all()
    assert sum(one is not None and one.p < SURE for one in dice.versus) > 10
