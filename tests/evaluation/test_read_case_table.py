import csv
import json
import shutil

import numpy as np
import pytest

from lungseg.core.errors import UserError
from lungseg.core.text_tables import write_table
from lungseg.evaluation.read_case_table import read_cases
from tests.comparison.runs import CONFIG, judge, make_run, people, scores_of, spoil


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    dice = scores_of(12)
    make_run(root / "run", people(12), dice, alarms=np.arange(12), tuned=dice * 0.9, pictures=False)
    return root / "run"


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run") / "evaluation" / "phantom-test"


def edited(folder, change):
    rows = list(csv.DictReader((folder / "cases.csv").open()))
    change(rows)
    write_table(rows, folder / "cases.csv")


def refused(folder, said):
    with pytest.raises(UserError) as error:
        read_cases(folder)
    text = str(error.value)
    assert said in text, text
    assert "\n" not in text
    assert str(folder) in text
    assert "python evaluate.py run=" in text or "expected" in text


def test_numbers_are_those_that_were_judged(folder):
    table = read_cases(folder)
    dice = table.numbers["infection/dice"]
    assert np.array_equal(np.isnan(dice), np.arange(12) % 4 == 0)
    assert np.allclose(dice, scores_of(12), atol=6e-4, equal_nan=True)
    assert table.numbers["infection/false_alarm"][[0, 4, 8]].tolist() == [0, 1, 1]
    assert np.isnan(table.numbers["infection/false_alarm"][1])
    assert table.numbers["infection/false_alarm_area"][[0, 4, 8]] == pytest.approx([0, 4e-4, 8e-4])
    severity = [table.numbers[f"infection/severity_{name}"] for name in ("reference", "predicted", "error")]
    assert np.allclose(severity[2], np.abs(severity[1] - severity[0]))
    assert table.label[:3] == ["COVID-19", "Normal", "Non-COVID"]
    assert table.only([3, 1]).id == ["case-0003", "case-0001"]


def test_the_tuned_threshold_has_a_table_of_its_own(folder):
    one, other = (read_cases(folder, tuned).numbers["infection/dice"] for tuned in (False, True))
    assert np.nanmean(other) == pytest.approx(0.9 * np.nanmean(one), abs=1e-3)
    (folder / "cases-tuned.csv").unlink()
    with pytest.raises(UserError, match=r"cases-tuned.csv: cannot be read"):
        read_cases(folder, tuned=True)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("infection_dice", "0.99", "infection_dice"),
        ("infection_dice", "1.5", "which cannot be"),
        ("infection_dice", "", "which cannot be"),
        ("infection_reference_area", "0", "which cannot be"),
        ("infection_reference_area", "", "which cannot be"),
        ("infection_hd95", "1", "its infection_hd95 is"),
        ("infection_brier", "much", "expected a number"),
        ("infection_brier", "inf", "expected a number"),
        ("infection_lesions", "9", "its infection_lesions is"),
        ("patient", "", "does not fit its header"),
        ("id", "case-0001", "twice"),
    ],
)
def test_a_table_that_was_edited_by_hand_is_refused(folder, column, value, said):
    edited(folder, lambda rows: rows[5].update({column: value}))
    refused(folder, said)


def test_one_number_of_very_many_that_was_raised_is_seen(tmp_path):
    cases = people(3000)
    make_run(tmp_path / "run", cases, scores_of(3000), quick=True, pictures=False)
    folder = tmp_path / "run" / "evaluation" / "phantom-test"
    assert len(read_cases(folder).id) == 3000

    def raise_it(rows):
        rows[1]["infection_dice"] = str(float(rows[1]["infection_dice"]) + 0.02)

    edited(folder, raise_it)
    refused(folder, "one of the two was changed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "is no table of cases"),
        (lambda text: text.splitlines()[0] + "\n", "is no table of cases"),
        (lambda text: "a,b\n1,2\n", "is no table of cases"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "has 11 cases, its summary.json 12"),
        (lambda text: text.rstrip("\n") + ",1,2\n", "line 13 does not fit its header"),
        (lambda text: text[:-30] + "\n", "line 13 does not fit its header"),
        (lambda text: text.replace("infection_predicted_area", "infection_found_area"), "has no column"),
    ],
)
def test_a_table_that_is_cut_or_of_something_else_is_refused(folder, change, said):
    path = folder / "cases.csv"
    path.write_text(change(path.read_text()))
    refused(folder, said)


def test_bytes_that_are_no_text_are_refused(folder):
    (folder / "cases.csv").write_bytes(b"id,patient\n\xff\xfe\x00")
    refused(folder, "cannot be read")


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"regions": []}', '{"regions": "infection"}'])
def test_a_summary_that_is_something_else_is_refused(folder, content):
    (folder / "summary.json").write_text(content)
    refused(folder, "summary.json")


def test_a_summary_with_another_mean_is_refused(folder):
    for value, said in ((0.5, "its infection_dice is"), (None, "its infection_dice is"), ("high", 'is "high"'),
                        (True, "is true")):  # fmt: skip
        spoil(folder / "summary.json", lambda one, value=value: one["results"]["model"]["infection"].update(dice=value))
        refused(folder, said)
    spoil(folder / "summary.json", lambda one: one["results"]["model"]["infection"].update(dice=0.5))
    spoil(folder / "summary.json", lambda one: one["results"].pop("model"))
    refused(folder, "summary.json says unknown")


def test_the_quick_helper_writes_what_the_real_writers_write(tmp_path):
    cases, dice = people(9, domains=("north", "south")), scores_of(9)
    for quick in (False, True):
        folder = tmp_path / f"{quick}" / "evaluation" / "phantom-test"
        folder.mkdir(parents=True)
        judge(folder, cases, np.round(dice, 3), CONFIG, quick=quick)
    tables, means = [], []
    for quick in (False, True):
        folder = tmp_path / f"{quick}" / "evaluation" / "phantom-test"
        table = read_cases(folder)
        tables.append({name: values for name, values in table.numbers.items() if not name.endswith("area")})
        means.append(json.loads((folder / "summary.json").read_text())["results"]["model"]["infection"])
    assert tables[0].keys() == tables[1].keys()
    for name in ("infection/iou", "infection/hd95", "infection/lesions", "infection/severity_error"):
        assert np.allclose(tables[0][name], tables[1][name], atol=0.05, equal_nan=True), name
    for name, value in means[1].items():
        assert value == pytest.approx(means[0][name], abs=0.05), name
