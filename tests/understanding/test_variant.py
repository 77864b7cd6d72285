import numpy as np
import pytest

from lungseg.understanding.variant import could_be_sure, gains, is_sure, outcome, outcome_of, said


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
    assert is_sure(found.dice)
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
    assert is_sure(six.dice)


def test_what_no_case_defines_is_not_said():
    nothing = counts([0] * 7, [0] * 7, [0] * 7)
    assert said(gain(nothing, counts([0] * 7, [0] * 7, [3] * 7))) == (
        "infection: False alarms 0% -> 100% (p = 0.016): surely more."
    )
    many = counts([0] * 14, [0] * 14, [0] * 14)
    assert "(p < 0.001): surely more." in said(gain(many, counts([0] * 14, [0] * 14, [3] * 14)))
    whole = counts([10] * 7, [0] * 7, [0] * 7)
    text = said(gain(whole, whole))
    assert text == "infection: Dice 1.000 -> 1.000 (+0.000 [+0.000, +0.000], p = 1.000): no sure difference."


def test_an_outcome_is_by_case_and_region():
    reference = np.zeros((2, 6, 6), bool)
    reference[0, :3] = True
    likely = np.stack([np.full((6, 6), 0.4), np.full((6, 6), 0.1)]).astype(np.float32)
    found = outcome(lambda cases: iter([(None, None, reference, likely)]), [None], 0.3)
    assert found.dice[0, 0] == pytest.approx(2 / 3)
    assert np.isnan(found.dice[0, 1])
    assert found.alarm[0, 1] == 0
    assert found.area.tolist() == [[36, 0]]
