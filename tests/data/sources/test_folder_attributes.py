import logging

import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.data.build import build_cases
from lungseg.data.sources import folder
from lungseg.data.sources.issues import Problem


def write(root, **columns):
    """A table of the twelve images, of six patients, with these columns; a column is a text for each image."""
    columns = {"file": [f"p{n:02d}.png" for n in range(12)], "patient": [f"P{n // 2}" for n in range(12)]} | columns
    columns = {name: cells for name, cells in columns.items() if cells is not None}
    rows = zip(*columns.values(), strict=True)
    (root / "metadata.csv").write_text("\n".join(",".join(map(str, row)) for row in [columns, *rows]) + "\n")


def attributes(root, **options):
    return [dict(case.attributes) for case in folder.cases(root=str(root), **options)]


def passed_over(root):
    """Why each column was, by its heading."""
    problems = list[Problem]()
    folder.cases(root=str(root), problems=problems)
    return {one.said.split("'")[1]: one.said for one in problems if one.kind == "column passed over"}


def test_columns_without_another_meaning_are_attributes(folder_data, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    write(
        folder_data,
        sex=["F" if n % 4 < 2 else "M" for n in range(12)],
        Patient_Age=[20 + n for n in range(12)],
        **{"Scanner Model": ["A1" if n < 6 else "B2" for n in range(12)]},
    )
    found = attributes(folder_data)
    assert found[3] == {"sex": "M", "patient_age": "23", "scanner_model": "A1"}
    assert "says sex, patient_age, scanner_model of the cases" in caplog.text
    assert passed_over(folder_data) == {}


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("Name", ["Jane Doe", "John Roe"] * 6),
        ("patientname", ["Jane Doe", "John Roe"] * 6),
        ("MRN", ["1", "2"] * 6),
        ("StudyID", ["1", "2"] * 6),
        ("study_nr", ["1", "2"] * 6),
        ("subject", ["1", "2"] * 6),
        ("acquired", ["2020-03-01", "2020-03-02"] * 6),
        ("acquired", ["20200301", "20200302"] * 6),
        ("acquired", ["1.3.2020", "2.3.2020"] * 6),
        ("acquired", ["3 Mar 2020", "4 Mar 2020"] * 6),
        ("acquired", ["2020", "2021"] * 6),
        ("acquired", ["10:30", "11:30"] * 6),
        ("birth", ["a", "b"] * 6),
        ("Comment", ["good", "bad"] * 6),
        ("radiologist", ["Dr. A", "Dr. B"] * 6),
        ("who", [f"Person {n // 2}" for n in range(12)]),  # one for each patient
        ("ward", ["a text that is much longer than any name of a ward is"] * 12),
        ("code", [f"c{n}" for n in range(12)]),
        ("empty", ["", "n/a"] * 6),
    ],
)
def test_nothing_that_may_tell_who_somebody_is_leaves_the_table(folder_data, heading, cells):
    write(folder_data, sex=["F", "M"] * 6, **{heading: cells})
    assert {name for one in attributes(folder_data) for name in one} == {"sex"}
    assert list(passed_over(folder_data)) == [heading]
    with pytest.raises(UserError, match=r"leave it out of data\.columns"):
        attributes(folder_data, columns={"attribute_thing": heading})


def test_a_column_of_a_reserved_name_is_taken_under_another(folder_data):
    write(folder_data, domain=["a", "b"] * 6)
    assert attributes(folder_data)[0] == {}
    assert "is called as another is (class, domain, size)" in passed_over(folder_data)["domain"]
    assert attributes(folder_data, columns={"attribute_hospital": "domain"})[0] == {"hospital": "a"}


def test_a_value_of_one_patient_alone_is_left_out(folder_data):
    write(folder_data, ward=["a", "a", "b", "b", "a", "a", "b", "b", "a", "a", "c", "c"])
    assert [one["ward"] for one in attributes(folder_data)] == [
        "a",
        "a",
        "b",
        "b",
        "a",
        "a",
        "b",
        "b",
        "a",
        "a",
        "",
        "",
    ]


def test_without_patients_only_what_is_known_to_be_of_no_person_is_taken(folder_data):
    write(folder_data, patient=None, sex=["F", "M"] * 6, age=[40] * 12, scanner=["A", "B"] * 6, who=["Jo", "Al"] * 6)
    assert set(attributes(folder_data)[0]) == {"sex", "age", "scanner"}
    assert "data.columns={attribute_who: who} takes it" in passed_over(folder_data)["who"]
    assert attributes(folder_data, columns={"attribute_group": "who"})[1]["group"] == "Al"


def test_a_column_is_named_an_attribute_by_the_user(folder_data):
    write(folder_data, Geschlecht=["w", "m"] * 6)
    (case, *_) = build_cases(
        train_config(
            ["data=folder", f"data.root={folder_data}", "data.columns={attribute_sex: geschlecht}"]
        ).data.source
    )
    assert dict(case.attributes) == {"sex": "w"}
    with pytest.raises(UserError, match=r"attribute_sex=sexe: no such column; there are Geschlecht"):
        attributes(folder_data, columns={"attribute_sex": "sexe"})


def test_ages_that_are_none_are_no_attribute(folder_data):
    write(folder_data, patient=[f"P{n}" for n in range(12)], age=[*range(20, 31), 999])
    assert attributes(folder_data)[0] == {}
    assert "no two patients share" in passed_over(folder_data)["age"]


def test_there_are_at_most_sixteen(folder_data):
    write(folder_data, **{f"trait{n}": ["a", "b"] * 6 for n in range(18)})
    assert list(attributes(folder_data)[0]) == [f"trait{n}" for n in range(16)]
    assert set(passed_over(folder_data)) == {"trait16", "trait17"}


def test_an_image_of_which_two_rows_differ_has_none_of_them(folder_data):
    write(folder_data, sex=["F", "M"] * 6)
    with (folder_data / "metadata.csv").open("a") as file:
        file.write("p00.png,P0,M\n")
    assert [one["sex"] for one in attributes(folder_data)][:2] == ["", "M"]
