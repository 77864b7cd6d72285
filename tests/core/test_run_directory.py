import json
import subprocess

import pytest

from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run, create_run, environment, open_run
from tests.helpers import ROOT


def test_runs_of_one_second_get_a_directory_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [create_run(None, "lung-unet-scratch") for _ in range(5)]
    assert len({run.path for run in runs}) == 5
    assert all(run.path.is_dir() and run.path.parent.name == "runs" for run in runs)
    assert all("lung-unet-scratch" in run.path.name and "=" not in run.path.name for run in runs)


def test_a_directory_that_holds_something_is_not_written_into(tmp_path):
    (tmp_path / "empty").mkdir()
    assert create_run(str(tmp_path / "empty"), "x").path == tmp_path / "empty"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(UserError, match=r"run_dir=.*full: exists already; go on with it by resume="):
        create_run(str(tmp_path / "full"), "x")
    with pytest.raises(UserError, match="cannot be made"):
        create_run(str(tmp_path / "full" / "thesis.tex" / "run"), "x")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]


def test_the_folder_of_all_runs_is_answered_with_one_of_them(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(UserError, match=r"run=.*holds no config\.yaml.*for example run=.*/b$"):
        open_run(str(tmp_path))
    assert open_run(str(tmp_path / "a")).saved_values()["seed"] == 1


@pytest.mark.parametrize("text", ["{", "a: b: c", "- 1\n- 2\n", "", "seed: 1\n"])
def test_a_config_that_is_damaged_is_named(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml: ") as caught:
        open_run(str(tmp_path)).config()
    assert len(str(caught.value).splitlines()) == 1


def test_a_manifest_grows_and_a_damaged_one_is_named(tmp_path):
    run = Run(tmp_path)
    run.update_manifest(seed=1, status="running")
    run.update_manifest(status="finished")
    assert json.loads(run.manifest_file.read_text()) == {"seed": 1, "status": "finished"}
    for spoil in (lambda: run.manifest_file.write_text("{"), run.manifest_file.unlink):
        spoil()
        with pytest.raises(UserError, match=r"manifest\.json: cannot be read") as caught:
            run.manifest()
        assert len(str(caught.value).splitlines()) == 1


def test_the_environment_names_the_commit(monkeypatch):
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    found = environment("CPU")
    assert found["git"]["commit"] == (head.stdout.strip() or None)
    assert found["device"] == "CPU"
    monkeypatch.setenv("PATH", "")  # no git on this machine
    assert environment("CPU")["git"] == {"commit": None, "dirty": None}
