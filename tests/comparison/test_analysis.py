"""Every number of an analysis against one that is worked out otherwise."""

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from lungseg.comparison.render.figures import draw
from lungseg.comparison.render.page_data import group_data, plain
from lungseg.comparison.render.text_tables import latex, markdown, text
from lungseg.comparison.report import caution, csv_rows
from lungseg.comparison.verdict import sentence
from lungseg.data.case import Case
from lungseg.metrics.stats.bootstrap import mean_interval
from lungseg.metrics.stats.multiple_testing import SURE, holm
from tests.comparison.runs import family, make_run, people, report_of, scores_of

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
    for found in report.analyses.values():
        for place in range(3):
            if found.kind.share:
                continue
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
    assert dice.adjusted[1:] == pytest.approx(dice.pairs_adjusted[0, 1:])  # not of the two comparisons with it alone
    assert (dice.adjusted[1:] >= holm(np.array(p)) - 1e-12).all()
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
    said = sentence(dice, report.arms)
    assert said == (
        "**net0** and **net1** and 1 more have the same Dice of the infection in every case, 0.800 (all equal): none "
        "of them is the best."
    )
    assert {row["rank"] for row in csv_rows([report]) if row["score"] == "dice"} == {1}
    assert "surely" not in said
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
    assert caution(report, "infection") == ""  # nothing that has an interval


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
    assert not np.isnan(np.delete(dice.adjusted, dice.best)).any()
    for pair in ((best[0], best[1]), (best[0], dice.ranking.order[26])):  # of all 351 pairs
        assert dice.pairs_adjusted[pair] >= min(1, 27 * 26 / 2 * 2 / 2**12)


def noisy(level, seed, count=40):
    return np.clip(np.random.default_rng(seed).normal(level, 0.05, count), 0, 1)


def test_bit_identical_runs_are_told_to_be_so_and_none_is_the_best(tmp_path):
    report = alike(tmp_path, 40, scores=[noisy(0.8, 0)] * 5)
    dice = report.analyses["infection/dice"]
    said = sentence(dice, report.arms)
    assert "**net0** and **net1** and 3 more have the same Dice of the infection in every case, 0.797 [" in said
    assert said.endswith("none of them is the best.")
    assert "has the best" not in text(report)
    assert text(report).count("  identical") == 4
    assert not dice.sure


def test_identical_runs_are_together_ahead_of_another(tmp_path):
    report = alike(tmp_path, 40, scores=[noisy(0.8, 0), noisy(0.8, 0), noisy(0.4, 1)])
    dice = report.analyses["infection/dice"]
    said = sentence(dice, report.arms)
    assert said.startswith("**net0** and **net1** have the same Dice of the infection in every case, 0.797 [")
    assert ", and are **surely better** than net2 (p < 0.001 after Holm's correction for all 3 pairs)." in said
    assert [dice.rank(place) for place in range(3)] == [1, 1, 3]
    near = alike(tmp_path / "near", 40, scores=[noisy(0.8, 0), noisy(0.8, 0), noisy(0.79, 1)])
    said = sentence(near.analyses["infection/dice"], near.arms)
    assert (
        "but they **cannot be told apart** from" in said or "but it **cannot be told apart** from net0 and net1" in said
    )


def test_runs_behind_the_best_that_are_identical_are_named_and_marked(tmp_path):
    scores = [noisy(0.8, 0), noisy(0.79, 1), *[noisy(0.6, 2)] * 3, *[noisy(0.4, 3)] * 2]
    report = alike(tmp_path, 40, scores=scores)
    said = (
        " Identical in every case, at rank 3: net2, net3 and net4. Identical in every case, at rank 6: net5 and net6."
    )
    assert sentence(report.analyses["infection/dice"], report.arms).endswith(said)
    for written in (text(report), markdown([report]), latex([report])):
        assert said.strip() in written
        assert written.count(" (identical, rank 3)") == 3
        assert written.count(" (identical, rank 6)") == 2
    same = {row["arm"]: row["identical_to"] for row in csv_rows([report]) if row["score"] == "dice"}
    assert same == dict(
        zip([f"net{n}" for n in range(7)], ["", "", "net3", "net2", "net2", "net6", "net5"], strict=True)
    )


def test_of_many_identical_runs_some_are_named_and_all_are_marked(tmp_path):
    report = alike(tmp_path, 40, scores=[noisy(0.8, 0), *[noisy(0.7, 1)] * 16])
    assert sentence(report.analyses["infection/dice"], report.arms).endswith(" and 10 more.")
    assert text(report).count(" (identical, rank 2)") == 16


def test_of_too_few_patients_nothing_could_be_sure_and_no_resample_is_quoted(tmp_path):
    report = alike(tmp_path, 4, scores=[noisy(level, n, 4) for n, level in enumerate((0.9, 0.7, 0.5, 0.3, 0.1))])
    said = sentence(report.analyses["infection/dice"], report.arms)
    floor = " With 4 patients p cannot be below 0.125, after Holm's correction below 1: nothing could be sure."
    assert said.endswith(floor)
    assert "resamples" not in said
    assert "nothing could be sure" in latex([report])
    pair = alike(tmp_path / "pair", 6, scores=[noisy(0.9, 0, 6), noisy(0.1, 1, 6)])
    assert "could be sure" not in text(pair)


def test_how_often_first_promises_nothing_of_other_patients(tmp_path):
    report = alike(tmp_path, 40, scores=[noisy(0.8, 0), noisy(0.79, 1)])
    dice = report.analyses["infection/dice"]
    said = sentence(dice, report.arms)
    assert f" It is first in {dice.ranking.first[dice.best]:.0%} of resamples of these patients." in said
    row = csv_rows([report])[0]
    assert "first_in_resamples" in row
    assert "often_first" not in row
    whole = str(plain(group_data(report, [0, 1], {}))) + text(report)
    assert "other patients it would" not in whole
    assert "no promise of other patients" in whole


def test_one_seed_says_beside_surely_that_the_luck_of_training_is_not_in_it(report, dice, tmp_path):
    assert sentence(dice, report.arms).endswith(" With one seed of plain scratch and tuned finetuned, the luck of "
                                                "training is not in it.") or sentence(dice, report.arms).endswith(
        " With one seed of tuned finetuned and plain scratch, the luck of training is not in it.")  # fmt: skip
    single = alike(tmp_path / "single", 40, scores=[noisy(0.8, 0), noisy(0.5, 1)])
    said = sentence(single.analyses["infection/dice"], single.arms)
    assert said.endswith(
        "surely better** than net1 (p < 0.001). With one seed for each, the luck of training is not in it."
    )
    unsure = alike(tmp_path / "unsure", 40, scores=[noisy(0.8, 0), noisy(0.8, 1)])
    assert "luck" not in sentence(unsure.analyses["infection/dice"], unsure.arms)


def test_the_best_of_many_is_sure_only_after_the_correction_for_all_pairs(tmp_path):
    """Five models: the test against the second is sure among the four with the best, and not among all ten pairs."""
    rng = np.random.default_rng(2)
    base = rng.normal(0.7, 0.02, 40)
    levels = (0.011, 0, 0, 0, 0)
    report = alike(tmp_path, 40, scores=[base + level + rng.normal(0, 0.02, 40) for level in levels])
    dice = report.analyses["infection/dice"]
    with_the_best = holm(np.array([one.p if one else np.nan for one in dice.versus]))
    between = [place for place in range(5) if with_the_best[place] < SURE <= dice.pairs_adjusted[dice.best, place]]
    assert between  # what this test is about
    assert dice.adjusted == pytest.approx(dice.pairs_adjusted[dice.best], nan_ok=True)
    assert not any(dice.behind(place) for place in between)
    rows = {row["arm"]: row for row in csv_rows([report]) if row["score"] == "dice"}
    assert all(rows[report.arms[place].name]["p_corrected"] >= SURE for place in between)
    stats = group_data(report, list(range(5)), {})["stats"]["infection/dice"]
    assert not any(stats["versus"][place]["sure"] for place in between)


def test_few_effective_patients_are_named_with_their_number(tmp_path):
    """One patient has 21 of 40 images."""
    cases = [
        Case(id=case.id, image=case.image, patient="often" if n < 21 else case.patient, label=case.label)
        for n, case in enumerate(people(40))
    ]
    for number in range(2):
        make_run(tmp_path / f"{number}", cases, noisy(0.8, number), model__name=f"net{number}", pictures=False)
    report = report_of(tmp_path)
    dice = report.analyses["infection/dice"]
    assert dice.effective == pytest.approx(40**2 / (21**2 + 19))
    said = "Fewer than 15 effective patients, so intervals are rough: 3.4 for Dice"
    stats = group_data(report, [0, 1], {})["stats"]["infection/dice"]
    assert f"{stats['caution'][0].upper()}{stats['caution'][1:]}" == said
    for table in (text(report), markdown([report]), latex([report])):
        assert said in table
    row = csv_rows([report])[0]
    assert row["effective_patients"] == pytest.approx(dice.effective, abs=1e-6)
    means = draw(report, "infection", "x")["x-means.svg"].decode()
    assert "fewer than 15 effective patients" in means
    by_patient = report_of(tmp_path, weight="patients")
    assert by_patient.analyses["infection/dice"].effective == 20
    assert "effective" not in text(by_patient)


def test_means_over_patients_are_those_of_their_own_means(tmp_path):
    """The first is better on the many images of one patient, the second on all others."""
    cases = [
        Case(id=case.id, image=case.image, patient="often" if n < 21 else case.patient, label=case.label)
        for n, case in enumerate(people(40))
    ]
    first, second = noisy(0.8, 0), noisy(0.8, 1)
    first[:21] += 0.1
    second[21:] += 0.05
    for number, scores in enumerate((first, second)):
        make_run(tmp_path / f"{number}", cases, scores, model__name=f"net{number}", pictures=False)
    images, patients = (report_of(tmp_path, weight=weight) for weight in ("images", "patients"))
    assert [one.analyses["infection/dice"].best for one in (images, patients)] == [0, 1]
    dice = patients.analyses["infection/dice"]
    scores = patients.group.scores["infection/dice"]
    own = np.stack([scores[:21].mean(axis=0), *scores[21:]])
    names = [str(n) for n in range(20)]
    assert dice.ranking.means == pytest.approx(own.mean(axis=0))
    assert dice.versus[0].difference == pytest.approx(own[:, 0].mean() - own[:, 1].mean())
    assert (dice.low[0], dice.high[0]) == pytest.approx(mean_interval(own[:, 0], names), rel=0.2)
    for one in dice.subgroups:
        assert one.effective == one.patients
    assert {row["weight"] for row in csv_rows([patients])} == {"patients"}
    assert "means over patients" in text(patients)
    assert "Mean of the patients' means over 40 cases" in markdown([patients])
    assert group_data(patients, [0, 1], {})["weight"] == "patients"
    assert "judged with weight=images; judge them with weight=patients" in text(patients)
    assert group_data(patients, [0, 1], {})["baselines"]["infection/dice"] == {}
    assert group_data(images, [0, 1], {})["baselines"]["infection/dice"]


def test_a_share_of_none_of_20_may_be_a_sixth(tmp_path):
    report = alike(tmp_path, 20, scores=(np.nan, np.nan), alarms=None)
    found = report.analyses["infection/false_alarm"]
    assert found.ranking.means == pytest.approx([0, 0])
    assert (found.low[0], found.high[0]) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert "0.000 [0.000, 0.168]" in text(report)
    area = report.analyses["infection/false_alarm_area"]
    assert np.isnan(area.high).all()
