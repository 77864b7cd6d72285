"""Checks that whose an image is is never assumed without a word."""

import logging

import numpy as np
import openpyxl
import pytest

from lungseg.cli.data_check import check
from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import compose
from lungseg.core.errors import UserError
from lungseg.data.sources import classification, covid19_radiography, covid_qu_ex, folder
from lungseg.data.sources.issues import Problem
from tests.helpers import write_png


def write_patients(root, cells, header="file,patient"):
    rows = "".join(f"p{n:02d}.png,{cell}\n" for n, cell in enumerate(cells))
    (root / "metadata.csv").write_text(f"{header}\n{rows}")


def patients_of(root, **options):
    return [case.patient for case in folder.cases(root=str(root), **options)]


@pytest.mark.parametrize("cell", ["", "  ", "nan", "NaN", "N/A", "n.a.", "None", "NULL", "-", "?", "unknown", "#N/A"])
@pytest.mark.parametrize("number", [1, 12])
def test_a_row_without_a_patient_is_refused(folder_data, cell, number):
    write_patients(folder_data, [cell] * number + [f"patient{n}" for n in range(12 - number)])
    more = r" \(12 such files\)" if number == 12 else ""
    with pytest.raises(UserError, match=rf"p00\.png: metadata\.csv .* patient.*data\.unknown_patients=one.*{more}$"):
        folder.cases(root=str(folder_data))


def test_a_short_row_has_no_patient(folder_data):
    (folder_data / "metadata.csv").write_text(
        "file,patient\n" + "".join(f"p{n:02d}.png{',7' if n else ''}\n" for n in range(12))
    )
    with pytest.raises(UserError, match=r"p00\.png: metadata\.csv leaves its patient empty"):
        folder.cases(root=str(folder_data))


def test_only_an_explicit_option_makes_each_such_image_a_patient_or_all_of_them_one(folder_data):
    write_patients(folder_data, ["", "NA", "b", "b", *"cdefghij"])
    assert patients_of(folder_data, unknown_patients="image")[:4] == ["p00", "p01", "b", "b"]
    first, second, *others = patients_of(folder_data, unknown_patients="one")
    assert first == second
    assert first not in others
    with pytest.raises(UserError, match=r"data\.unknown_patients=yes: expected refuse, image, one"):
        folder.cases(root=str(folder_data), unknown_patients="yes")
    assert compose(["data=folder", "data.root=x"]).data.unknown_patients == "refuse"


@pytest.mark.parametrize("header", ["file,Patient ID", "file,patient-id", "Filename,PATIENT"])
def test_usual_names_of_the_column_are_known_however_they_are_written(folder_data, header):
    write_patients(folder_data, [n // 2 for n in range(12)], header)
    assert len(set(patients_of(folder_data))) == 6


@pytest.mark.parametrize("name", ["subject", "Patient number", "MRN"])
def test_a_column_that_may_name_the_patients_is_not_passed_over(folder_data, name):
    write_patients(folder_data, [n // 2 for n in range(12)], f"file,{name}")
    with pytest.raises(UserError, match=rf"its column '{name}' may name the patients.*columns={{patient: {name}}}"):
        folder.cases(root=str(folder_data))
    assert len(set(patients_of(folder_data, columns={"patient": name}))) == 6
    assert len(set(patients_of(folder_data, unknown_patients="image"))) == 12


def test_what_is_assumed_without_a_column_or_a_table_is_said(folder_data, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    write_patients(folder_data, range(12), "file,patient age")
    assert len(set(patients_of(folder_data))) == 12
    assert "metadata.csv: has no column of patients; each image counts as a patient of its own" in caplog.text
    caplog.clear()
    (folder_data / "metadata.csv").unlink()
    assert len(set(patients_of(folder_data))) == 12
    assert "has no metadata.csv; each image counts as a patient of its own" in caplog.text


def test_data_check_names_every_image_without_a_patient(folder_data, tmp_path, capsys, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    write_patients(folder_data, ["", "nan", *range(10)])
    words = ["data=folder", f"data.root={folder_data}"]
    assert check(train_config(words).data, tmp_path / "out") == 1
    assert "unknown patient: 2" in caplog.text
    caplog.clear()
    assert check(train_config([*words, "data.unknown_patients=image"]).data, tmp_path / "out") == 0
    assert "patients not known (does no harm): 1" in caplog.text
    assert "names no patient of 2 images" in caplog.text


def test_x_rays_of_no_known_source_stay_on_one_side(tmp_path):
    """One patient for all whose address is unknown, and not one for each."""
    for label in covid19_radiography.PUBLISHED:
        here = tmp_path / covid19_radiography.NAME / label
        book = openpyxl.Workbook()
        book.active.append(["FILE NAME", "FORMAT", "SIZE", "URL"])
        for n in range(14):
            write_png(here / "images" / f"{label}-{n}.png", np.full((4, 4), n, np.uint8))
            address = {0: None, 1: "nan"}.get(n, f"https://example.org/{n}")
            if n != 2:
                book.active.append([f"{label}-{n}", "PNG", "256*256", address])
        book.save(tmp_path / covid19_radiography.NAME / f"{label}.metadata.xlsx")
    problems: list[Problem] = []
    cases = covid19_radiography.cases(root=str(tmp_path), problems=problems)
    of_class = {case.id: case.patient for case in cases if case.label == "Normal"}
    assert of_class["Normal-0"] == of_class["Normal-1"] == of_class["Normal-2"]
    assert len(set(of_class.values())) == 12
    assert "gives no address of 12 images" in str(next(one for one in problems if one.kind == "sources not known"))


def test_publishers_that_name_no_patients_are_told_by_the_check(tmp_path):
    part = "Lung Segmentation Data"
    for source, place in (
        (classification, "train/Normal"),
        (covid19_radiography, "COVID/images"),
        (covid_qu_ex, f"{part}/{part}/Train/Normal/images"),
    ):
        root, problems = tmp_path / source.__name__, list[Problem]()
        write_png(root / place / "a.png", np.zeros((4, 4), np.uint8))
        source.cases(root=str(root), problems=problems)
        assert [one.harm for one in problems if one.kind == "patients not known"] == [False]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"patients": "who"}, r"data\.columns\.patients: no such column; expected .*; did you mean patient\?"),
        ({"foo": "bar"}, r"data\.columns\.foo: no such column; expected file, patient, class, split$"),
        ({"patient": "nobody"}, r"data\.columns\.patient=nobody: no such column; there are file, who, class"),
        ("who", r"data\.columns=who: expected our names and yours"),
    ],
)
def test_a_mapping_of_columns_is_never_passed_over(folder_data, columns, message):
    write_patients(folder_data, [f"{n // 2},ill" for n in range(12)], "file,who,class")
    with pytest.raises(UserError, match=message):
        folder.cases(root=str(folder_data), columns=columns)
    assert len(set(patients_of(folder_data, columns={"patient": "who"}))) == 6


def test_a_mapping_of_columns_without_a_table_is_refused(folder_data):
    (folder_data / "metadata.csv").unlink()
    with pytest.raises(UserError, match=r"data\.columns: .* has no metadata\.csv"):
        folder.cases(root=str(folder_data), columns={"patient": "who"})


@pytest.mark.parametrize("header", ["file,patient,patient_id", "file,Patient ID,patient_id"])
def test_of_two_columns_of_patients_the_user_says_which(folder_data, header):
    write_patients(folder_data, [f"{n},{n // 2}" for n in range(12)], header)
    with pytest.raises(
        UserError, match=r"and patient_id, and either may name the patients; say which by data\.columns"
    ):
        folder.cases(root=str(folder_data))
    assert len(set(patients_of(folder_data, columns={"patient": "patient_id"}))) == 6


def test_patients_that_differ_in_capitals_alone_are_told(folder_data, tmp_path, caplog):
    write_patients(folder_data, ["P0", "p0", *range(10)])
    caplog.set_level(logging.INFO, "lungseg")
    assert check(train_config(["data=folder", f"data.root={folder_data}"]).data, tmp_path / "out") == 0
    assert "names the patients P0 and p0, which count as different; if they are one, write one" in caplog.text
