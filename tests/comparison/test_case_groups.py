from dataclasses import replace

import numpy as np
import pytest

from lungseg.comparison.case_groups import case_groups, require_known
from lungseg.comparison.render.text_tables import latex, markdown, text
from lungseg.comparison.report import warnings
from lungseg.comparison.subgroups import matrices, matrix, subgroup_rows
from lungseg.core.errors import UsageError
from tests.comparison.runs import make_run, people, report_of, scores_of


def known(count, **attributes):
    """Cases with these attributes, each a function of the case's number."""
    return [
        replace(case, attributes=tuple((name, value(n)) for name, value in attributes.items()))
        for n, case in enumerate(people(count))
    ]


def two_runs(root, first, second=None):
    dice = scores_of(len(first), level=0.9, empty=len(first) + 1)
    dice[0] = 0.9
    make_run(root / "a", first, dice, label="a", pictures=False)
    make_run(root / "b", second or first, dice - 0.1, label="b", pictures=False)
    return root / "a", root / "b"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """40 patients: women and men in turn, one unknown, ages of 20, 60 and 90."""
    cases = known(40, sex=lambda n: "" if n == 39 else "FM"[n % 2], age=lambda n: ("20", "60", "90")[n % 3])
    return two_runs(tmp_path_factory.mktemp("runs"), cases)


def test_every_group_of_an_attribute_has_its_means(paths):
    report = report_of(*paths)
    rows = [row for row in subgroup_rows([report]) if (row["score"], row["arm"]) == ("dice", "a")]
    found = {(row["by"], row["group"]): row for row in rows}
    ages = [("age", "18-39"), ("age", "60-79"), ("age", "80+")]
    assert [place for place in found if place[0] in ("sex", "age")] == [("sex", "F"), ("sex", "M"), *ages]
    assert (found["sex", "M"]["cases"], found["sex", "M"]["patients"]) == (19, 19)
    women = report.group.scores["infection/dice"][::2, 0]
    assert found["sex", "F"]["mean"] == pytest.approx(women.mean(), abs=1e-6)
    assert found["sex", "F"]["low"] < found["sex", "F"]["mean"] < found["sex", "F"]["high"]


def test_the_table_by_an_attribute_stands_in_every_text(paths):
    report = report_of(*paths)
    assert matrices(report, "infection") == []
    asked = replace(report, by="age")
    head, *rows = matrix(asked, "infection", "age")
    said = "age 60-79 (13 cases, 13 effective patients: rough)"
    assert head[1:3] == ["age 18-39 (14 cases, 14 effective patients: rough)", said]
    assert [row[0] for row in rows] == ["a", "b"]
    for write in (text(asked), markdown([asked]), latex([asked])):
        assert said in write
    for write in (text(report), markdown([report]), latex([report])):
        assert "age 60" not in write


def test_a_run_that_was_judged_before_takes_them_from_one_judged_since(tmp_path):
    paths = two_runs(tmp_path, people(12), known(12, sex=lambda n: "FM"[n % 2]))
    assert case_groups(report_of(*paths).group)["sex"] == ["F", "M"] * 6


def test_what_two_runs_say_of_a_case_is_joined_and_what_they_dispute_is_told(tmp_path):
    first = known(12, sex=lambda n: "FM"[n % 2] if n < 9 else "")
    second = known(12, sex=lambda n: "F" if n in (1, 10) else "" if n < 5 else "FM"[n % 2])
    report = report_of(*two_runs(tmp_path, first, second))
    groups = case_groups(report.group)["sex"]
    assert groups == ["F", "", *("FM"[n % 2] for n in range(2, 12))]
    (said,) = [line for line in warnings(report) if "tables differ" in line]
    assert said.startswith("The runs' tables differ in the sex of 1 case, which is in no group by it")


def test_an_attribute_of_very_many_values_makes_no_groups(tmp_path):
    paths = two_runs(tmp_path, known(40, site=lambda n: f"site{n}"))
    assert list(case_groups(report_of(*paths).group)) == ["class", "domain"]


def test_values_that_would_be_markup_are_text(tmp_path):
    paths = two_runs(tmp_path, known(40, site=lambda n: ("<b>|$x$", "=1+1")[n % 2]))
    report = replace(report_of(*paths), by="site")
    assert r"site \<b\>\|\$x\$" in markdown([report])
    assert r"site \textless{}b\textgreater{}|\$x\$" in latex([report])


def test_a_wrong_name_is_told_with_those_that_exist(paths, tmp_path):
    group = report_of(*paths).group
    require_known("sex", [group])
    with pytest.raises(UsageError, match=r"by=sx: .*; expected class, sex, age; did you mean sex\?$"):
        require_known("sx", [group])
    other = report_of(*two_runs(tmp_path, people(12, domains=("north",)))).group
    require_known("age", [other, group])
    with pytest.raises(UsageError, match=r"by=age: .*; expected class, domain$"):
        require_known("age", [other])


def test_intervals_of_a_group_are_those_of_its_cases(paths):
    report = report_of(*paths)
    group = next(one for one in report.analyses["infection/dice"].subgroups if one.name == "F")
    assert group.effective == 20
    assert np.all(group.low < group.mean)
