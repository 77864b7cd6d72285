import pytest

from lungseg.cli.data_audit import _tell_twins
from lungseg.cli.data_check import _verdict
from lungseg.core.errors import UserError
from lungseg.core.plural import article, plural
from lungseg.data.case import Case
from lungseg.data.splits import split_cases


def test_one_is_singular_and_nothing_else_is():
    assert [plural(n, "case") for n in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
    assert plural(2, "class", "classes") == "2 classes"


def test_one_case_of_one_patient_in_one_class(tmp_path):
    case = Case(id="a", image=tmp_path / "a.png", patient="a", label="x")
    with pytest.raises(UserError, match="1 case of 1 patient in 1 class: too few to set a test split apart"):
        split_cases([case], val=0.2, test=0.2, seed=0)


def test_one_problem_is_no_problems():
    assert _verdict(1, None) == "1 problem would harm a training"
    assert _verdict(2, None) == "2 problems would harm a training"


def test_one_pair_of_twins(tmp_path, caplog, monkeypatch):
    import logging

    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    _tell_twins("folder", [Case(id="a", image=tmp_path / "a.png", patient="a", label="x")], [], [])
    assert "folder: 1 case, 0 pairs of twins" in caplog.text


@pytest.mark.parametrize(
    ("noun", "expected"), [("Dice", "a"), ("IoU", "an"), ("HD95", "an"), ("ASSD", "an"), ("Absolute error", "an")]
)
def test_a_score_has_the_article_that_is_said(noun, expected):
    assert article(noun) == expected
