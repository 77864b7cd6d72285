import csv
import json
from dataclasses import replace

import pytest

from lungseg.evaluation.score_cases import judge
from tests.evaluation.test_score_cases import ABOUT, cases, how, predict  # noqa: F401


def judged(some, folder):
    judge(predict, some, how(), folder, ABOUT)
    return json.loads((folder / "summary.json").read_text()), list(csv.DictReader((folder / "cases.csv").open()))


@pytest.fixture
def known(cases):  # noqa: F811
    """Sex of all but the last; ages of 10, 20, 30, ..."""
    return [
        replace(case, attributes=(("sex", "" if n == 5 else "FM"[n % 2]), ("age", str(10 + 10 * n))))
        for n, case in enumerate(cases)
    ]


def test_attributes_stand_behind_the_image_and_each_group_has_its_means(known, tmp_path):
    summary, rows = judged(known, tmp_path)
    assert list(rows[0])[4:8] == ["image", "attribute_sex", "attribute_age", "infection_dice"]
    assert [row["attribute_sex"] for row in rows] == ["F", "M", "F", "M", "F", ""]
    assert rows[2]["attribute_age"] == "30"
    assert {name: list(groups) for name, groups in summary["by_attribute"].items()} == {
        "sex": ["F", "M"],
        "age": ["0-17", "18-39", "40-59", "60-79"],
    }
    female = summary["by_attribute"]["sex"]["F"]["infection"]
    dice = [float(row["infection_dice"]) for row in rows[:4:2]]
    assert female["dice"] == pytest.approx(sum(dice) / 2, abs=1e-6)
    assert female["dice_low"] <= female["dice"] <= female["dice_high"]
    assert female["effective_patients"]["dice"] == 2


def test_data_without_attributes_have_no_trace_of_them(cases, known, tmp_path):  # noqa: F811
    summary, rows = judged(cases, tmp_path / "without")
    assert not [key for key in (*summary, *rows[0]) if "attribute" in key]
    others, more = judged(known, tmp_path / "with")
    assert {key: value for key, value in others.items() if key != "by_attribute"} == summary
    assert [{key: cell for key, cell in row.items() if "attribute" not in key} for row in more] == rows


def test_an_attribute_of_very_many_values_has_no_groups(cases, tmp_path):  # noqa: F811
    many = [
        replace(case, id=f"{case.id}-{n}", attributes=(("site", f"{n}-{case.id}"),)) for n in range(6) for case in cases
    ]
    summary, rows = judged(many, tmp_path)
    assert "by_attribute" not in summary
    assert rows[0]["attribute_site"] == f"0-{cases[0].id}"
