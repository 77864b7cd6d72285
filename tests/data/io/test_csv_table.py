"""Tables of strangers, in whatever encoding."""

import pytest

from lungseg.core.errors import UserError
from lungseg.data.io.csv_table import read_text_table
from lungseg.data.sources import covid19_ct, folder

ROWS = [("file", "patient", "class"), *((f"p{n:02d}.png", f"Müller {n}", "Übel; schwer") for n in range(12))]


def written(separator, line="\n", sep=""):
    return sep + line.join(separator.join(f'"{cell}"' for cell in row) for row in ROWS) + line


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_table_of_any_encoding_and_separator_is_read(folder_data, separator, encoding):
    (folder_data / "metadata.csv").write_bytes(written(separator).encode(encoding))
    cases = folder.cases(root=str(folder_data))
    assert [case.patient for case in cases] == [f"Müller {n}" for n in range(12)]
    assert {case.label for case in cases} == {"Übel; schwer"}


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sep", ["", "sep=;\n"])
def test_line_ends_and_a_spreadsheets_hint_do_not_matter(tmp_path, line, sep):
    (tmp_path / "a.csv").write_bytes(written(";", line, sep).encode())
    table = read_text_table(tmp_path / "a.csv")
    assert table.columns == ROWS[0]
    assert table.rows[0].cells == dict(zip(ROWS[0], ROWS[1], strict=True))
    assert len(table.rows) == 12


def test_latin_1_is_told_by_the_check_and_in_training(folder_data):
    (folder_data / "metadata.csv").write_bytes(written(",").encode("latin-1"))
    problems = []
    folder.cases(root=str(folder_data), problems=problems)
    (problem,) = problems
    assert str(problem).endswith(
        "metadata.csv: is not UTF-8 and was read as Latin-1; save it as UTF-8 if letters in it come out wrong"
    )
    assert not problem.harm


def test_a_cell_is_one_line_and_no_formula(tmp_path):
    (tmp_path / "a.csv").write_text('file,patient,class\na.png,\'=7,"COVID\nof\t 19"\n')
    assert read_text_table(tmp_path / "a.csv").rows[0].cells == {
        "file": "a.png", "patient": "=7", "class": "COVID of 19"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no line"),
        (b"\n\n", "holds no line"),
        (b"PK\x03\x04\x00\x00\xff\x00", "save it again as a CSV in UTF-8"),
        (b"\xff\xfea", "is no whole UTF-16 text"),
        (b"file,patient\na.png\x00,1\n", "holds the character 0"),
        (b"file,patient\na.png,1,2\n", "line 2 has 3 cells, its header 2"),
        (b"file,patient,Patient\na.png,1,2\n", "has 2 columns called patient"),
        (b"file,patient\n" + b"a" * 200000 + b",1\n", "cannot be read as a table"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_text_table(tmp_path / "a.csv")
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_empty_cells_at_the_end_of_a_line_are_no_cells(tmp_path):
    (tmp_path / "a.csv").write_text("file,patient,,\na.png,1,,,,\n,,,\n")
    (row,) = read_text_table(tmp_path / "a.csv").rows
    assert row.cells == {"file": "a.png", "patient": "1"}


def test_the_table_of_ct_scans_is_not_needed(tmp_path):
    """Reports what is wrong with it and takes nothing from it."""
    for part in ("ct_scans", "lung_mask"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "coronacases_001.nii").write_bytes(b"")
    (tmp_path / "metadata.csv").write_bytes(b"ct_scan\x00\n")
    problems = []
    assert len(covid19_ct.cases(root=str(tmp_path), problems=problems)) == 1
    assert [one.kind for one in problems if one.path.name == "metadata.csv"] == ["unreadable"]
    (tmp_path / "metadata.csv").write_bytes("ct_scan;lung_mask\nä_1.nii;b_2.nii\n".encode("latin-1"))
    problems.clear()
    covid19_ct.cases(root=str(tmp_path), problems=problems)
    assert [one.kind for one in problems if one.path.name == "metadata.csv"] == ["shifted row"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('file,patient\n"p00.png,a\np01.png,b\n', 2),
        ('file,patient\np00.png,a\n"p01.png,b\np02.png,"c"\n', 3),
        ('file,patient\np00.png,a\np01.png,"b\n', 3),
        ('file,patient\np00.png,a\n"p01.png,b', 3),
        ('file,patient\n"p00.png,a\n' + "p01.png,b\n" * 20_000, 2),  # more than the csv module takes for a cell
    ],
)
def test_a_quotation_mark_that_is_not_closed_is_named_with_its_line(tmp_path, text, line):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(
        UserError, match=rf"a\.csv: a quotation mark in line {line} is not closed; close it or remove it$"
    ):
        read_text_table(tmp_path / "a.csv")


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_quoted_cells_may_hold_line_breaks_and_quotation_marks(tmp_path, end):
    (tmp_path / "a.csv").write_text(f'file,note\na,"two\nlines ""so"" called"\nb,5" wide\nc,"x"{end}')
    assert [row.cells["note"] for row in read_text_table(tmp_path / "a.csv").rows] == [
        'two lines "so" called',
        '5" wide',
        "x",
    ]
