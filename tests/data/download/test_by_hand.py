"""A data set that no program can download: the steps of a person, and what is still missing."""

import logging
from pathlib import Path

import pytest

from lungseg.core.errors import UserError
from lungseg.data.download import by_hand, kaggle
from lungseg.data.download.catalog import DATASETS
from tests.helpers import run_program


def test_the_steps_name_the_page_the_folders_and_the_command_that_looks():
    steps = by_hand.by_hand(DATASETS["mosmed"], Path("my data"))
    assert DATASETS["mosmed"].url == "https://mosmed.ai/en/datasets/covid191110"
    assert DATASETS["mosmed"].url in steps
    assert "'my data' holds studies/CT-0, studies/CT-1," in steps
    assert """lungseg data check mosmed 'root="my data"'""" in steps
    assert "kaggle" not in steps.lower()


@pytest.mark.parametrize("name", ["mosmed", "ct_slices"])
def test_get_says_licence_and_steps_and_writes_nothing(tmp_path, name):
    result = run_program("-m", "lungseg.cli.main", "data", "get", name, "into=here", cwd=tmp_path)
    assert result.returncode == 1
    assert "commercial" in result.stdout
    assert f"To get {name} by hand" in result.stdout
    assert f"{name} cannot be downloaded by a program" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_person_has_not_yet_put_there_is_counted(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    place = tmp_path / "studies" / "CT-4"
    place.mkdir(parents=True)
    (place / "study_1109.nii.gz").write_bytes(b"a scan")
    with pytest.raises(UserError, match="mosmed cannot be downloaded by a program"):
        kaggle.get("mosmed", tmp_path)
    assert f"{place}: holds 1 file; 2 were published: 1 missing" in caplog.text
    assert not (tmp_path / ".download").exists()
