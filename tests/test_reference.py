"""What an older version wrote is judged, resumed, compared and told by this one."""

import csv
import json
import re
import shutil
import subprocess

import pytest

import lungseg
from lungseg.cli.main import main
from lungseg.core.run_directory import Run
from lungseg.core.search_file import read_search_file
from tests.helpers import ROOT

FIXTURES = ROOT / "tests" / "fixtures"
SECRET = re.compile(rb"/(?:home|root|tmp|work|Users|mnt|var|opt)/")


@pytest.fixture
def reference(tmp_path, monkeypatch):
    """A copy of what the older version left, in the folder where it was made."""
    shutil.copytree(FIXTURES / "reference", tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def rows(folder):
    return list(csv.DictReader((folder / "cases.csv").open()))


def ran(*words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_all_of_it_is_in_git_and_names_no_machine():
    files = [path for path in FIXTURES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.suffix == ".ckpt" for path in files) == 4
    for path in files:
        if path.suffix != ".py":
            assert not SECRET.search(path.read_bytes()), path
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    listed = subprocess.run(["git", "ls-files", "tests/fixtures"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {str(path.relative_to(ROOT)) for path in files} == set(listed.stdout.splitlines())
    assert (ROOT / ".gitignore").read_text().splitlines()[-1] == "!tests/fixtures/**"


def test_a_run_is_judged_to_the_same_numbers(reference):
    before = rows(reference / "runs" / "seed0" / "evaluation" / "phantom-test")
    folder = lungseg.evaluate(["run=runs/seed0"])
    after = rows(folder)
    assert after == before
    assert json.loads((folder / "summary.json").read_text())["format"] == 1


def test_a_stopped_run_goes_on_to_its_end(reference):
    run = Run(lungseg.train(["resume=runs/stopped"]))
    manifest = run.manifest()
    assert (manifest["status"], manifest["epochs"]) == ("finished", 12)
    assert len(rows(run.path / "evaluation" / "phantom-test")) == manifest["cases"]["test"]


def test_runs_and_a_study_are_compared(reference, capsys):
    assert ran("compare", "runs/seed0", "runs/seed1", "grid", "out=page", "pictures=1") == 0
    assert (reference / "page" / "comparison.html").is_file()
    means = list(csv.DictReader((reference / "page" / "comparison.csv").open()))
    assert len(means) >= 3


def test_studies_are_told_and_a_search_is_read(reference, capsys):
    assert ran("sweep", "status", "grid", "search") == 0
    said = capsys.readouterr().out
    assert "4 of 4" in said or said.count("finished") >= 2, said
    search = read_search_file(reference / "search" / "search.json")
    assert [trial.state for trial in search.trials] == ["complete", "complete"]
    assert ran("compare", "search", "grid", "out=page", "pictures=1") == 0
