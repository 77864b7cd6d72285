import pytest

from lungseg.data.sources.clinical_readings import read_sex_and_age


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("male 45yrs\nnormal", {"sex": "M", "age": "45"}),
        ("Female , 32 yrs\nbilateral PTB, seen 12 months ago", {"sex": "F", "age": "32"}),
        ("Patient's Sex: F\nPatient's Age: 027Y\nnormal", {"sex": "F", "age": "27"}),
        ("Patient's Sex: M\nPatient's Age: 006M\nnormal", {"sex": "M", "age": "0"}),
        ("female 11months\nnormal", {"sex": "F", "age": "0"}),
        ("male 14 months\nnormal", {"sex": "M", "age": "1"}),
        ("female\nscar of 3 years", {"sex": "F"}),
        ("male 200yrs", {"sex": "M"}),
        ("a nodule, 12 mm; 3 years before none", {}),
        ("", {}),
    ],
)
def test_sex_and_age_and_nothing_else_are_read(tmp_path, text, expected):
    (tmp_path / "a.txt").write_text(text)
    assert dict(read_sex_and_age(tmp_path / "a.txt")) == expected


def test_without_a_reading_there_is_nothing(tmp_path):
    assert read_sex_and_age(tmp_path / "a.txt") == ()
