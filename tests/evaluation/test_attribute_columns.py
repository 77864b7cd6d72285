from dataclasses import replace

import numpy as np
import pytest

from lungseg.core.text_tables import read_table, write_table
from lungseg.evaluation.read_case_table import read_cases
from tests.comparison.runs import make_run, people, scores_of
from tests.evaluation.test_read_case_table import refused


@pytest.fixture
def folder(tmp_path):
    cases = [replace(case, attributes=(("sex", "FM"[n % 2]),)) for n, case in enumerate(people(12))]
    make_run(tmp_path / "run", cases, scores_of(12), alarms=np.arange(12), pictures=False)
    return tmp_path / "run" / "evaluation" / "phantom-test"


def edited(folder, change):
    """Each row is a list of pairs of heading and cell."""
    with (folder / "cases.csv").open(newline="") as file:
        rows = [dict(change(list(row.items()), n)) for n, row in enumerate(read_table(file))]
    write_table(rows, folder / "cases.csv")


def test_they_are_read_back_and_stay_with_their_cases(folder):
    table = read_cases(folder)
    assert table.attributes == {"sex": ["F", "M"] * 6}
    assert table.only([3, 0]).attributes == {"sex": ["M", "F"]}


def test_a_table_without_them_has_none(tmp_path):
    make_run(tmp_path / "run", people(12), scores_of(12), pictures=False)
    assert read_cases(tmp_path / "run" / "evaluation" / "phantom-test").attributes == {}


def test_a_formula_is_the_text_that_it_was(folder):
    edited(folder, lambda row, n: [(name, "=1+1" if name == "attribute_sex" else cell) for name, cell in row])
    assert set(read_cases(folder).attributes["sex"]) == {"=1+1"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("attribute_", "x", "no attribute can be called ''"),
        ("attribute_a\x1b[2J", "x", "no attribute can be called 'a\\x1b[2J'"),
        ("attribute_class", "x", "no attribute can be called 'class'"),
        ("attribute_" + "a" * 200, "x", f"no attribute can be called {'a' * 40!r}"),
        ("attribute_site", "x" * 41, "line 2 has a text of more than 40 letters as its attribute_site"),
    ],
)
def test_what_no_judgement_writes_is_refused(folder, name, value, said):
    edited(folder, lambda row, n: [*row[:5], (name, value), *row[5:]])
    refused(folder, said)


def test_very_many_are_refused(folder):
    edited(folder, lambda row, n: [*row[:5], *((f"attribute_a{k}", "x") for k in range(20)), *row[5:]])
    refused(folder, "has 21 attributes; expected at most 16")


def test_a_region_of_that_name_has_scores_and_no_attributes(tmp_path):
    make_run(tmp_path / "run", people(12), scores_of(12), regions=("attribute",), pictures=False)
    table = read_cases(tmp_path / "run" / "evaluation" / "phantom-test")
    assert table.attributes == {}
    assert "attribute/dice" in table.numbers
