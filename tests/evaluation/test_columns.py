"""A table whose columns nobody knows by name: what they are is said in summary.json."""

import csv
import json
import math

import pytest

from lungseg.comparison.grouping import Group
from lungseg.comparison.score_type import kinds
from lungseg.core.errors import UserError
from lungseg.evaluation.columns import columns
from lungseg.evaluation.read_case_table import read_cases
from lungseg.tasks.segmentation.columns import segmentation_columns

ERROR = {"name": "error", "title": "Absolute error", "unit": "grey levels", "higher": False, "role": "headline",
         "board": True, "digits": 1, "undefined": "nothing was predicted"}  # fmt: skip
SUMMARY = {"regions": ["image"], "task": "intensity", "data": "toy", "split": "test", "cases": 3}


def write(folder, errors, **changes):
    """Three cases with the error of each, and what the summary says of them."""
    known = [float(value) for value in errors if value]
    summary = {**SUMMARY, "columns": [ERROR], "results": {"model": {"image": {"error": sum(known) / len(known)}}}}
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps(summary | changes))
    with (folder / "cases.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "patient", "class", "domain", "image", "image_error"])
        table.writerows([f"c{n}", f"p{n}", "x", "", f"sum{n}", value] for n, value in enumerate(errors))
    return folder


class Entry:
    def __init__(self, table):
        self.table = table


def test_a_score_that_nobody_knows_by_name_is_read_checked_and_compared(tmp_path):
    tables = [read_cases(write(tmp_path / name, errors)) for name, errors in (("a", "135"), ("b", "246"))]
    assert tables[0].numbers["image/error"].tolist() == [1, 3, 5]
    (kind,) = kinds(Group([Entry(table) for table in tables]))
    assert (kind.id, kind.name, kind.unit, kind.higher) == ("image/error", "Absolute error", "grey levels", False)
    assert tables[0].of_role("image", "false_alarm") is None


def test_a_case_without_the_score_is_undefined_and_a_mean_that_was_changed_is_told(tmp_path):
    assert math.isnan(read_cases(write(tmp_path / "a", ["1", "", "5"])).numbers["image/error"][1])
    forged = write(tmp_path / "b", "135", results={"model": {"image": {"error": 0.5}}})
    with pytest.raises(UserError, match=r"its image_error is 3 over its cases, summary.json says 0.5"):
        read_cases(forged)


def test_a_table_that_lacks_its_headline_is_refused(tmp_path):
    folder = write(tmp_path / "a", "135", columns=[{**ERROR, "name": "other"}])
    with pytest.raises(UserError, match="has no column image_other"):
        read_cases(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "../x"}, r"columns.0.name is \"../x\"; expected a name"),
        ({"title": 3}, r"columns.0.title is 3; expected a text"),
        ({"role": "president"}, r"columns.0.role is \"president\"; expected none, headline"),
        ({"digits": 300}, r"columns.0.digits is 300; expected a whole number from 0 to 10"),
    ],
)
def test_what_a_stranger_says_of_a_column_is_checked(tmp_path, change, said):
    with pytest.raises(UserError, match=said):
        read_cases(write(tmp_path / "a", "135", columns=[ERROR | change]))


def test_a_title_moves_no_cursor():
    (column,) = columns({"columns": [{**ERROR, "title": "a\x1b[2Jb"}]})
    assert column.title == "a\\x1b[2Jb"


def test_what_was_written_before_columns_were_declared_has_those_of_segmentation():
    assert columns({"unit": "mm", "tolerances": [2.0]}) == segmentation_columns("mm", [2.0])
