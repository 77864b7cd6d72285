"""What to type is made here; a command that a study's files hold is somebody's words."""

import json
import shlex
from pathlib import Path

import pytest

from lungseg.cli.main import main
from lungseg.sweep.spec.study_file import Reading, as_study
from lungseg.sweep.state.trial_queue import TrialQueue


@pytest.fixture
def begun():
    """A study of two trials of which none has run, as ``lungseg sweep`` leaves it."""
    content = {"grid": {"optim.lr": [1, 2]}}
    Path("my study.yaml").write_text(json.dumps(content))
    folder = Path("studies/my study-full")
    study = as_study(content, Path("my study.yaml"), "full", {"data.root": "a b"}, None, Reading(None))
    saved = {
        "id": "study", "folder": str(folder), "study": "my study.yaml", "size": "full", "about": "",
        "command": "rm -rf ~",
        "directory": str(Path.cwd()), "given": study.given, "content": content, "trials": {},
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(saved))
    TrialQueue(study, "here").fill([trial.name for trial in study.trials], [])
    return folder


def change(place, /, **saved):
    path = place / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | saved))


def status(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "status", *words])
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    return said.out


def test_status_shows_no_command_of_the_file(begun, capsys):
    said = status(capsys)
    assert "rm -rf" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("go on")]
    words = shlex.split(line.removeprefix("go on"))
    assert words == ["lungseg", "sweep", "my study.yaml", "size=full", "data.root=a b"]


def test_a_study_elsewhere_has_its_folder_in_the_command(begun, capsys):
    begun.rename("moved")
    change(Path("moved"), folder="moved")
    assert "go on     lungseg sweep 'my study.yaml' size=full 'data.root=a b' out=moved" in status(capsys, "moved")


def test_from_another_directory_the_command_goes_there_first(begun, capsys, monkeypatch, tmp_path):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    place = str(tmp_path / begun)
    said = status(capsys, place, f"../{begun}")
    assert said.count(f"go on     (cd {shlex.quote(str(tmp_path))} && lungseg sweep 'my study.yaml'") == 2


def test_a_file_that_is_not_the_studys_own_is_not_proposed(begun, capsys):
    Path("evil.yaml").write_text("grid: {seed: [666]}")
    for name in ("evil.yaml", "gone.yaml"):
        change(begun, study=name)
        said = status(capsys, str(begun))
        assert f"lungseg sweep {name}" not in said
        assert "go on     lungseg sweep STUDY.yaml size=full 'data.root=a b' 'out=studies/my study-full' (STUDY" in said


def test_nothing_in_the_file_moves_the_cursor(begun, capsys):
    change(begun, given={"data.root": "\x1b[2J\n\u202e"}, command="\x1b]0;x\x07", about="\x1b[1m")
    said = status(capsys)
    assert all(line.isprintable() for line in said.splitlines())
    assert "add what you typed yourself of: $'data.root=\\x1b[2J\\x0a\\u202e'" in said


def test_the_best_that_is_trained_again_goes_on_by_its_search(begun, capsys):
    again = begun / "retrained" / "trial-0001"
    again.mkdir(parents=True)
    (again / "study.json").write_text((begun / "study.json").read_text())
    change(again, folder=str(again))
    TrialQueue(as_study({"grid": {"optim.lr": [1, 2]}}, Path("x.yaml"), "full", {}, again, Reading(None)), "h").fill(
        ["lr1", "lr2"], []
    )
    assert "go on     lungseg sweep retrain 'studies/my study-full' seeds=2" in status(capsys, str(again))
