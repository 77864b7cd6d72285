import numpy as np
import pytest

from lungseg.data.case import Case
from lungseg.evaluation.analyses.paired_change import could_be_sure, gains, is_sure, outcome, outcome_of, said
from lungseg.metrics.stats.paired import Paired, compare
from tests.helpers import predicted


def counts(found, missed, invented):
    """[N] thrice -> [N, 1, 4], of 1000 pixels."""
    both, gone, made = (np.asarray(one) for one in (found, missed, invented))
    return np.stack([both, made, gone, 1000 - both - gone - made], axis=-1)[:, None]


def gain(plain, changed, patients=None):
    number = len(plain)
    patients = [f"p{n}" for n in range(number)] if patients is None else patients
    (found,) = gains(outcome_of(plain), outcome_of(changed), ["infection"], patients)
    return found


def test_the_gain_is_changed_minus_plain_over_cases_with_the_region():
    plain = counts([10] * 8 + [0], [10] * 8 + [0], [0] * 8 + [5])
    changed = counts([15] * 8 + [0], [5] * 8 + [0], [0] * 8 + [0])
    found = gain(plain, changed)
    assert found.plain == pytest.approx(2 / 3)
    assert found.changed == pytest.approx(6 / 7)
    assert found.dice.difference == pytest.approx(6 / 7 - 2 / 3)
    assert found.dice.cases == 8
    assert (found.plain_alarms, found.changed_alarms, found.alarms.cases) == (1, 0, 1)
    assert is_sure(found.dice, found.dice_p)
    assert "surely better" in said(found)
    assert "surely worse" in said(gain(changed, plain))
    assert "False alarms 100% -> 0%" in said(found)


def test_few_patients_are_told_to_be_too_few_instead_of_being_taken_for_no_difference():
    plain, changed = counts([10] * 5, [10] * 5, [0] * 5), counts([19] * 5, [1] * 5, [0] * 5)
    found = gain(plain, changed)
    assert found.dice.p == 2 / 2**5  # the least that five patients allow
    assert not could_be_sure(found.dice)
    assert said(found).endswith("5 patients are too few to tell.")
    assert said(gain(plain, changed, ["p"] * 5)).endswith("1 patient is too few to tell.")
    six = gain(*(np.concatenate([one, one[:1]]) for one in (plain, changed)))
    assert could_be_sure(six.dice)
    assert is_sure(six.dice, six.dice_p)


def test_what_no_case_defines_is_not_said():
    nothing = counts([0] * 7, [0] * 7, [0] * 7)
    assert said(gain(nothing, counts([0] * 7, [0] * 7, [3] * 7))) == (
        "infection: False alarms 0% -> 100% (p = 0.016): surely more."
    )
    many = counts([0] * 14, [0] * 14, [0] * 14)
    assert "(p < 0.001): surely more." in said(gain(many, counts([0] * 14, [0] * 14, [3] * 14)))
    whole = counts([10] * 7, [0] * 7, [0] * 7)
    text = said(gain(whole, whole))
    assert text.startswith("infection: Dice 1.000 -> 1.000 (the same in every patient, p = 1.000): no sure difference.")
    assert text.endswith(" 1.000): no sure difference.")  # what has no interval has no rough one


def test_a_small_p_alone_is_not_sure():
    """One patient of ten loses much, nine gain a little: p or the interval alone would call it sure."""
    found = [Paired(0.1, low, 0.3, p, p, 1.0, 1.0, 9, 9) for low, p in ((0.05, 0.01), (-0.01, 0.01), (0.05, 0.2))]
    assert [is_sure(one, one.p) for one in found] == [True, False, False]


def test_p_is_corrected_for_all_that_is_asked():
    """Six patients leave a p of 1 in 32 at best: sure of one region alone, and of no two."""
    plain, changed = counts([10] * 6, [10] * 6, [0] * 6), counts([15] * 6, [5] * 6, [0] * 6)
    both = outcome_of(np.concatenate([plain, plain], axis=1)), outcome_of(np.concatenate([changed, changed], axis=1))
    patients = [f"p{n}" for n in range(6)]
    assert "p = 0.031): surely better" in said(gain(plain, changed))
    for one in gains(*both, ["lung", "infection"], patients):
        assert "p = 0.062 corrected for 2 tests): 6 patients are too few to tell" in said(one)


def test_few_effective_patients_are_told_with_their_number():
    rng = np.random.default_rng(0)
    hit = rng.integers(5, 15, 40)
    plain, changed = counts(hit, 20 - hit, 0 * hit), counts(hit + 1, 19 - hit, 0 * hit)
    patients = ["often"] * 21 + [f"p{n}" for n in range(19)]
    told = said(gain(plain, changed, patients))
    assert told.endswith("Fewer than 15 effective patients, so intervals are rough: 3.4 for Dice.")
    assert "effective" not in said(gain(plain, changed, [f"p{n}" for n in range(40)]))


def test_a_mean_over_patients_counts_each_once():
    """The one with many images gains, all others lose."""
    hit = np.array([10] * 10 + [12, 11, 13, 12])
    after = hit + np.array([5] * 10 + [-2, -1, -3, -2])
    outcomes = [outcome_of(counts(one, 20 - one, 0 * one)) for one in (hit, after)]
    patients = ["often"] * 10 + list("abcd")
    (images,), (people,) = (gains(*outcomes, ["lung"], patients, weight) for weight in ("images", "patients"))
    assert images.dice.difference > 0 > people.dice.difference
    dice = 2 * after / (20 + after)
    assert people.changed == pytest.approx(np.mean([dice[:10].mean(), *dice[10:]]))
    assert people.dice.difference == pytest.approx(people.changed - people.plain)
    assert people.dice.p == pytest.approx(compare(*(
        np.array([one.dice[:10, 0].mean(), *one.dice[10:, 0]]) for one in outcomes[::-1]
    ), list("oabcd")).p)  # fmt: skip
    assert (images.dice_effective, people.dice_effective) == (pytest.approx(196 / 104), 5)


def test_an_outcome_is_by_case_and_region():
    reference = np.zeros((2, 6, 6), bool)
    reference[0, :3] = True
    likely = np.stack([np.full((6, 6), 0.4), np.full((6, 6), 0.1)]).astype(np.float32)
    case = Case(id="a", image=None, patient="p", label="x")
    found = outcome(lambda cases: [predicted(case, None, reference, likely)], [case], 0.3)
    assert found.dice[0, 0] == pytest.approx(2 / 3)
    assert np.isnan(found.dice[0, 1])
    assert found.alarm[0, 1] == 0
    assert found.area.tolist() == [[36, 0]]
