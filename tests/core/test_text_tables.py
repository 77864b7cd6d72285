"""A CSV that we write holds no formula of a stranger, and is read back as it was."""

import csv
import io

import pytest

from lungseg.comparison.discover import Wanted, gather
from lungseg.comparison.grouping import group
from lungseg.comparison.render.thumbnails import album
from lungseg.comparison.report import report
from lungseg.core.text_tables import csv_text, read_table, write_table
from lungseg.data.case import Case
from lungseg.data.sources.folder_table import read_metadata
from lungseg.evaluation.read_case_table import read_cases
from lungseg.training.metrics_file import MetricsFile
from tests.comparison.runs import make_run, people, scores_of

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "'=1",
    "''+x",
]
PLAIN = ["", "-", "+", "=", "@", "'", "'quoted'", "a=b", "x", "é", 'say "a, b"', "a\nb", "a\rb", "a\r\nb", " =1"]
NUMBERS = ["-0.5", "+5", "-1e-3", "1e-3", "-inf", "-.5", "-2.", "'-0.5"]


@pytest.mark.parametrize("cell", [*FORMULAS, *PLAIN, *NUMBERS])
def test_every_cell_is_read_back_as_it_was(cell):
    text = csv_text([{"id": cell, cell or "x": "y"}], ["id", cell or "x"])
    (row,) = read_table(io.StringIO(text, newline=""))
    assert row == {"id": cell, cell or "x": "y"}


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_begins_as_a_formula(cell):
    text = csv_text([{"class": cell, cell: 1}], ["class", cell])
    for row in csv.reader(io.StringIO(text, newline="")):
        for written in row:
            assert not written.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))


def test_numbers_stay_numbers():
    row = {"a": -0.5, "b": "-0.5", "c": 1e-3, "d": "-1e-3", "e": None, "f": float("-inf"), "g": "+5", "h": -3}
    assert csv_text([row], list(row)).splitlines()[1] == "-0.5,-0.5,0.001,-1e-3,,-inf,+5,-3"


def test_a_sign_alone_is_no_formula():
    assert csv_text([{"encoder": "-", "a": "+", "b": "=", "c": "@", "d": "'-"}], ["encoder", *"abcd"]).splitlines()[
        1
    ] == ("-,+,=,@,''-")


def test_cases_of_any_name_are_compared_and_shown(tmp_path):
    """Ids, patients and classes of cases.csv are those of the data; so are the rows in which its pictures lie."""
    names = [f"{name}{n:04d}" for n, name in enumerate([*FORMULAS[:7], "'=1", "-0.5"])]
    cases = [
        Case(id=name, image=case.image, patient=f"@{n // 2}", label="=class" if n % 2 else "-", domain="+d")
        for n, (name, case) in enumerate(zip(names, people(len(names)), strict=True))
    ]
    for number in range(2):
        make_run(tmp_path / "runs" / f"r{number}", cases, scores_of(len(cases), seed=number), model__name=f"n{number}")
    folder = tmp_path / "runs" / "r0" / "evaluation" / "phantom-test"
    with (folder / "cases.csv").open(newline="") as file:
        assert not any(cell.startswith(("=", "@", "+1")) for row in csv.reader(file) for cell in row)
    table = read_cases(folder)
    assert table.id == names
    assert table.patient == [case.patient for case in cases]
    assert set(table.label) == {"=class", "-"}
    (found,) = group(gather([tmp_path / "runs"], Wanted()), False)
    assert len(album(report(found), 24, show=False)) == len(cases)


def test_a_table_of_ours_is_metadata_for_a_folder(tmp_path):
    write_table([{"file": "=a.png", "patient": "@p", "class": "-"}], tmp_path / "cases.csv")
    assert read_metadata(tmp_path / "cases.csv", {}).rows == {"=a": {"file": "=a.png", "patient": "@p", "class": "-"}}


def test_metrics_go_on_where_they_ended(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.csv")
    metrics.log_metrics({"epoch": 0, "val/loss": -0.25, "=val": 1e-9}, 3)
    metrics.save()
    before = (tmp_path / "metrics.csv").read_text()
    assert "-0.25" in before
    again = MetricsFile(tmp_path / "metrics.csv", step=4)
    again.save()
    assert (tmp_path / "metrics.csv").read_text() == before
