"""What a sweep makes of a grid, with a program that only pretends to train."""

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from lungseg.cli.main import main
from lungseg.core.errors import UserError
from lungseg.sweep.run.trial_process import alone
from tests.helpers import run_program, write_png
from tests.sweep.pretend import finished


def ran(*words):
    """The command's exit code, with one slot."""
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "mine.yaml", "slots=1", *words])
    return ended.value.code


def study(content):
    Path("mine.yaml").write_text(content)


def lines(log):
    """The command lines that a trial was run with, as it says itself."""
    return [line for line in Path(log).read_text().splitlines() if not line.startswith("$ ")]


def test_trials_run_in_order_and_a_second_call_runs_none(pretended, compared, capsys):
    study("about: Rates\nbefore: {cropper: {}}\ngrid: {optim.lr: [1, 2], cut: {lungs: {data.crop: <cropper>}}}")
    assert ran() == 0
    folder = Path("studies/mine-full")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Rates"
    ended = [line.split()[0] for line in said if "finished in" in line]
    assert ended == ["cropper", "lr1-lungs", "lr2-lungs"]
    assert compared == [([folder], folder / "comparison", None)]
    kept = json.loads((folder / "study.json").read_text())
    assert kept["trials"]["lr1-lungs"].startswith("python train.py optim.lr=1 data.crop=studies/mine-full/cropper ")
    logs = {path: path.read_text() for path in (folder / "logs").iterdir()}
    assert ran() == 0
    assert "3 trials in studies/mine-full, 3 of them finished already" in capsys.readouterr().out
    assert {path: path.read_text() for path in (folder / "logs").iterdir()} == logs
    assert len(compared) == 2
    assert not list((folder / "workers").iterdir())


def test_the_line_that_a_study_keeps_is_the_one_that_was_run(pretended, compared):
    study("grid: {optim.lr: [1, 2]}")
    assert ran() == 0
    kept = json.loads(Path("studies/mine-full/study.json").read_text())["trials"]
    for name, line in kept.items():
        log = Path(f"studies/mine-full/logs/{name}.log")
        assert log.read_text().startswith(f"$ {line}\n")
        assert shlex.split(line)[2:] == shlex.split(lines(log)[0])


def test_what_fails_is_named_and_the_others_go_on(pretended, compared, capsys):
    options = "{whole: {}, other: {}, lungs: {data.crop: <cropper>}, bug: {optim.lr: 8}}"
    study(f"before: {{cropper: {{optim.lr: 7}}}}\ngrid: {{cut: {options}}}")
    assert ran() == 3
    said, error = capsys.readouterr()
    assert "    error: optim.lr=7: too much; give less\n" in said or "    optim.lr=7: too much; give less\n" in said
    assert "    RuntimeError: a bug\n" in said
    assert "not started, because one that they need is not finished: lungs" in said
    assert error.startswith(
        "error: 2 of the trials failed, as said above: cropper, bug; to try them again: lungseg sweep"
    )
    assert len(compared) == 1


def test_what_failed_is_tried_again_by_the_next_call(pretended, compared, capsys):
    study("grid: {optim.lr: [1, 8]}")
    assert ran() == 3
    pretended.write_text(pretended.read_text().replace('raise RuntimeError("a bug")', "pass"))
    assert ran() == 0
    assert "trials: 2 finished" in capsys.readouterr().out
    assert len(lines("studies/mine-full/logs/lr1.log")) == 1


def test_a_trial_goes_on_from_its_checkpoint_and_begins_anew_without_one(pretended, compared):
    """Runs that another program, or an older version, left in the folder are taken as they are."""
    study("grid: {optim.lr: [1, 2, 3]}\nbase: {data.workers: 1}")
    assert ran() == 0
    folder = Path("studies/mine-full")
    (folder / "journal.log").unlink()
    runs = [folder / f"lr{n}" for n in (1, 2, 3)]
    logs = [folder / "logs" / f"lr{n}.log" for n in (1, 2, 3)]
    (runs[0] / "manifest.json").write_text('{"status": "stopped"}')
    (runs[1] / "manifest.json").unlink()
    (runs[1] / "checkpoints" / "last.ckpt").unlink()
    (runs[1] / "left over").touch()
    assert ran() == 0
    assert [len(lines(log)) for log in logs] == [2, 2, 1]
    assert lines(logs[0])[1] == "resume=studies/mine-full/lr1 data.workers=1"
    assert lines(logs[1])[1].endswith("run_dir=studies/mine-full/lr2")
    assert not (runs[1] / "left over").exists()


def test_a_directory_of_somebody_else_is_left_alone(pretended, capsys):
    study("grid: {seed: [0]}")
    mine = Path("studies/mine-full/seed0/mine.txt")
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert ran() == 1
    assert "error: studies/mine-full/seed0: is not of this study; move it away" in capsys.readouterr().err
    assert mine.exists()


def test_a_folder_of_another_version_is_refused_but_more_trials_and_moved_data_are_not(pretended, compared, capsys):
    study("base: {data: folder}\ngrid: {seed: [0], optim.lr: [1, 2]}")
    for place in ("a", "b"):
        for number in range(12):
            write_png(Path(place, "images", f"{number}.png"), np.zeros((8, 8), np.uint8))
            write_png(Path(place, "lung_masks", f"{number}.png"), np.zeros((8, 8), np.uint8))
    assert ran("data.root=a") == 0
    assert ran("data.root=b", "optim.lr=1,3") == 0
    kept = json.loads(Path("studies/mine-full/study.json").read_text())
    assert list(kept["trials"]) == ["seed0-lr1", "seed0-lr2", "seed0-lr3"]
    assert ran("data.root=a", "ema=0.9") == 1
    assert "in trial seed0-lr1, ema was not set and is now 0.9; bring back" in capsys.readouterr().err


def test_a_trial_that_left_nothing_may_be_mended_in_the_file(pretended, compared, capsys):
    study("grid: {rate: {good: {optim.lr: 1}, bad: {optim.lr: 8}}}")
    assert ran() == 3
    study("grid: {rate: {good: {optim.lr: 1}, bad: {optim.lr: 2}}}")
    assert ran() == 0
    assert finished(Path("studies/mine-full/bad"))
    assert json.loads(Path("studies/mine-full/study.json").read_text())["trials"]["bad"].count("optim.lr=2 ") == 1
    study("grid: {rate: {good: {optim.lr: 1}, bad: {optim.lr: 3}}}")
    assert ran() == 1
    assert "begun with other settings: in trial bad, optim.lr was 2 and is now 3;" in capsys.readouterr().err


def test_arms_without_weights_are_left_out_and_named_once(pretended, compared, capsys, monkeypatch):
    def missing(encoder, weights):
        raise UserError("pretrained=true: not here; place them so")

    monkeypatch.setattr("lungseg.sweep.run.coordinator.require_weights", missing)
    study("grid: {arm: {scratch: {}, fine: {pretrained: true}}, seed: [0, 1]}")
    assert ran() == 0
    said = capsys.readouterr().out
    assert said.count("place them so") == 1
    assert "2 finished" in said.splitlines()[-2] + said
    assert "missing for lack of weights, as said above: fine-seed0, fine-seed1" in said
    assert ran("arm=fine", "out=none") == 1
    assert capsys.readouterr().err == ("error: none: none of the trials is finished, as said above\n")
    assert len(compared) == 1


def test_weights_that_only_the_program_finds_missing_are_no_failure_either(pretended, compared, capsys, monkeypatch):
    monkeypatch.setattr("lungseg.sweep.run.coordinator.require_weights", lambda encoder, weights: None)
    study("grid: {arm: {scratch: {}, fine: {pretrained: true}}, seed: [0, 1]}")
    assert ran() == 0
    said = capsys.readouterr().out
    assert "cannot be fetched" in said
    assert "2 finished" in said
    assert "2 no weights" in said


def test_a_comparison_that_cannot_be_is_said_and_is_no_success(pretended, compared, monkeypatch, capsys):
    def refuses(places, out, search=None):
        raise UserError("nothing in common")

    monkeypatch.setattr(sys.modules["lungseg.cli.compare"], "compare", refuses)
    study("grid: {seed: [0, 1]}")
    assert ran("seed=0") == 0
    assert "no comparison: it takes two finished trials" in capsys.readouterr().out
    assert ran() == 1
    assert capsys.readouterr().err == "error: nothing in common\n"


def test_two_sweeps_do_not_lead_in_one_folder(pretended, capsys):
    study("grid: {seed: [0]}")
    with alone(Path("studies/mine-full")):
        assert ran() == 1
    said = capsys.readouterr().err
    assert "another sweep is at work there" in said
    assert "lungseg sweep join studies/mine-full" in said


def test_what_waited_and_is_not_asked_for_any_more_is_not_run(pretended, compared, capsys):
    study("grid: {arm: {a: {}, b: {}}, seed: [0, 1]}")
    assert ran("arm=b", "seed=0") == 0
    from lungseg.sweep.state.study_record import recorded
    from lungseg.sweep.state.trial_queue import TrialQueue

    queue = TrialQueue(recorded(Path("studies/mine-full"))[0])
    queue.fill(["a-seed0", "a-seed1", "b-seed0"], [])
    assert ran("arm=a", "seed=1") == 0
    assert not Path("studies/mine-full/a-seed0").exists()
    assert Path("studies/mine-full/a-seed1").exists()


def test_status_tells_how_far_it_is_and_how_to_go_on(pretended, compared, capsys):
    study("grid: {optim.lr: [1, 8]}")
    ran()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "status", "studies/mine-full"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "studies/mine-full of 2 trials: 1 finished, 1 failed" in said
    assert "lr8  failed: RuntimeError: a bug" in said
    assert "go on     lungseg sweep mine.yaml size=full slots=1" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["status", "nowhere"], "error: nowhere/study.json: no such file; expected the folder of a study"),
        (["join"], "error: join: the folder of a study is needed"),
        (["join", "x", "slots=0"], "error: slots=0: expected a whole number, at least 1"),
        (["join", "x", "workers=2"], "error: workers: sweep join takes only slots="),
        (["retrain", "nowhere"], "error: nowhere/study.json: no such file"),
        (["status"], "error: studies: holds no study"),
    ],
)
def test_commands_about_a_study_say_what_they_lack(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *words])
    assert ended.value.code in (1, 2)
    assert capsys.readouterr().err.startswith(message)


def test_the_command_says_what_it_takes(tmp_path):
    result = run_program("-m", "lungseg.cli.main", "sweep", "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "lungseg sweep STUDY [size=SIZE] [KEY=VALUE ...]" in result.stdout
    assert "lungseg sweep retrain FOLDER [seeds=3]" in result.stdout
