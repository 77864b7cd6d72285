import pickle

import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.data.attributes import counted, group_of
from lungseg.data.build import build_cases
from lungseg.data.case import Case, fingerprint


def case(attributes=()):
    return Case(id="a", image=None, patient="p", label="x", attributes=attributes)


@pytest.mark.parametrize(
    ("age", "band"),
    [("0", "0-17"), ("17", "0-17"), ("17.9", "0-17"), ("18", "18-39"), ("045Y", "40-59"), ("79", "60-79"),
     ("80", "80+"), ("120", "80+"), ("121", "121"), ("old", "old"), ("", "")],
)  # fmt: skip
def test_ages_stand_in_bands_and_other_values_for_themselves(age, band):
    assert group_of("age", age) == band
    assert group_of("age_at_scan", age) == band
    assert group_of("stage", age) == age


def test_cases_are_counted_by_group_and_those_of_which_nothing_is_known_last():
    found = counted([(("sex", "M"), ("age", "45")), (("sex", ""), ("age", "50")), (("sex", "F"), ("age", "5"))])
    assert {name: list(groups.items()) for name, groups in found.items()} == {
        "sex": [("F", 1), ("M", 1), ("unknown", 1)],
        "age": [("0-17", 1), ("40-59", 2)],
    }


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ((("class", "ill"),), "its attributes are called class"),
        ((("a,b", "x"),), "its attributes are called a,b"),
        ((("sex", "F"), ("sex", "M")), "expected different words"),
        ((("sex", "F\x1b"),), "its sex is no short text"),
        ((("sex", "F" * 41),), "its sex is no short text"),
        (tuple((f"a{n}", "x") for n in range(17)), "has 17 attributes; expected at most 16"),
    ],
)
def test_what_cannot_stand_in_a_table_is_refused(attributes, said):
    with pytest.raises(UserError, match=said):
        case(attributes)


def test_attributes_go_to_other_processes_and_make_no_other_data_set(phantom_case):
    one = Case(id="a", image=phantom_case.image, patient="p", label="x", attributes=(("sex", "F"),))
    assert pickle.loads(pickle.dumps(one)) == one
    assert fingerprint([one]) == fingerprint([Case(id="a", image=phantom_case.image, patient="p", label="x")])


@pytest.fixture
def phantom_case():
    return build_cases(train_config(["data=phantom", "data.count=3"]).data.source)[0]


def test_the_phantom_has_none(phantom_case):
    assert phantom_case.attributes == ()
