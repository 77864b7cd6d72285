from dataclasses import replace

import numpy as np
import pytest

from lungseg.comparison.render.text_tables import latex, markdown, text
from lungseg.comparison.subgroups import matrix, subgroup_rows
from tests.comparison.runs import make_run, people, report_of, scores_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two arms on 40 cases of two hospitals; the second is worse in the south."""
    root = tmp_path_factory.mktemp("hospitals")
    cases = people(40, domains=("north", "south"))
    good = scores_of(40, level=0.9, noise=0.02, empty=41)
    good[0] = 0.9
    south = np.array([case.domain == "south" for case in cases])
    make_run(root / "both", cases, good, label="both", pictures=False)
    make_run(root / "north", cases, np.where(south, good - 0.2, good), label="north", pictures=False)
    return report_of(root / "both", root / "north"), south


def test_the_matrix_has_each_arm_on_each_hospital(runs):
    report, south = runs
    head, *rows = matrix(report, "infection")
    assert head == ["", "tested on north (20 cases)", "tested on south (20 cases)"]
    assert [row[0] for row in rows] == ["both", "north"]
    for row, arm in zip(rows, report.analyses["infection/dice"].values.T, strict=True):
        means = [float(cell.split()[0]) for cell in row[1:]]
        assert means == pytest.approx([arm[~south].mean(), arm[south].mean()], abs=6e-4)
    for write in (text(report), markdown([report]), latex([report])):
        assert "tested on south (20 cases)" in write


def test_every_group_is_a_row_with_its_mean_and_interval(runs):
    report, south = runs
    rows = subgroup_rows([report])
    (row,) = [
        row
        for row in rows
        if (row["score"], row["by"], row["group"], row["arm"]) == ("dice", "domain", "south", "north")
    ]
    assert row["mean"] == pytest.approx(report.group.scores["infection/dice"][south, 1].mean(), abs=1e-6)
    assert row["low"] < row["mean"] < row["high"]
    assert (row["cases"], row["task"], row["region"]) == (20, "infection", "infection")
    assert {row["by"] for row in rows} >= {"domain", "size of the infection"}


def test_one_hospital_is_no_matrix(tmp_path):
    for name in ("a", "b"):
        make_run(tmp_path / name, people(12, domains=("north",)), scores_of(12), label=name, pictures=False)
    report = report_of(tmp_path / "a", tmp_path / "b")
    assert matrix(report, "infection") is None
    assert "tested on" not in text(report)


def test_a_hospital_of_few_patients_is_marked_and_its_number_is_in_the_table(tmp_path):
    """20 patients in the north, and in the south 20 images of whom one patient has 15."""
    cases = [
        replace(case, patient="often" if case.domain == "south" and n < 30 else case.patient)
        for n, case in enumerate(people(40, domains=("north", "south")))
    ]
    for seed in range(2):
        dice = scores_of(40, seed=seed, empty=41)
        dice[0] = 0.9
        make_run(tmp_path / f"r{seed}", cases, dice, label=f"r{seed}", pictures=False)
    report = report_of(tmp_path)
    said = "tested on south (20 cases, 1.7 effective patients: rough)"
    assert matrix(report, "infection")[0] == ["", "tested on north (20 cases)", said]
    for write in (text(report), markdown([report]), latex([report])):
        assert said in write
    rows = {row["group"]: row for row in subgroup_rows([report]) if (row["score"], row["by"]) == ("dice", "domain")}
    assert rows["north"]["effective_patients"] == 20
    assert rows["south"]["effective_patients"] == pytest.approx(400 / (15**2 + 5), abs=1e-6)
    by_patient = matrix(report_of(tmp_path, weight="patients"), "infection")[0]
    assert by_patient[2] == "tested on south (20 cases, 6 effective patients: rough)"


def test_one_effective_patient_is_one(tmp_path):
    cases = [
        replace(case, patient="one" if case.domain == "south" else case.patient)
        for case in people(40, domains=("north", "south"))
    ]
    for seed in range(2):
        make_run(tmp_path / f"r{seed}", cases, scores_of(40, seed=seed), label=f"r{seed}", pictures=False)
    assert matrix(report_of(tmp_path), "infection")[0][2].endswith(" cases, 1 effective patient: rough)")
