"""Studies: what is read from a YAML, and what a sweep makes of it, by a program that only pretends to train."""

import json
import os
import signal
import subprocess
import sys
import time
import types
from collections import Counter
from pathlib import Path

import pytest

from helpers import ROOT, run_program
from lungseg.cli import main
from lungseg.errors import UsageError, UserError
from lungseg.plan import text
from lungseg.study import read_study
from lungseg.trials import alone

TINY = ["data.count=36", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "trainer=cpu"]
TINY += ["model=unet_classic", "model.width=4", "model.depth=2", "logger=none", "trainer.save_every_minutes=0"]

PRETENDED = """
import json, pathlib, signal, sys, time
words = dict(word.split("=", 1) for word in sys.argv[1:])
run = pathlib.Path(words.get("run_dir") or words["resume"])
rate = words.get("optim.lr")
print(*sys.argv[1:])
if rate == "7":
    sys.exit("error: optim.lr=7: too much; give less")
if rate == "8":
    raise RuntimeError("a bug")
if words.get("pretrained") == "true":
    sys.exit("error: pretrained=true: the weights of model.encoder=resnet18 (x) cannot be fetched: no; try again")
(run / "checkpoints").mkdir(parents=True, exist_ok="resume" in words)
(run / "config.yaml").write_text(json.dumps({"optim": rate}))
if rate == "9":
    signal.signal(signal.SIGINT, lambda *_: ((run / "checkpoints" / "last.ckpt").touch(), sys.exit(130)))
    (run / "ready").touch()
    time.sleep(60)
(run / "manifest.json").write_text(json.dumps({"status": "finished"}))
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A train.py that obeys optim.lr: 7 is refused, 8 is a bug, 9 waits for Ctrl-C."""
    script = tmp_path / "pretended.py"
    script.write_text(PRETENDED)
    monkeypatch.setattr("lungseg.trials.PROGRAM", script)


@pytest.fixture(autouse=True)
def compared(monkeypatch):
    """What was handed to the comparison."""
    calls = []
    module = types.ModuleType("lungseg.commands.compare")
    module.compare = lambda places, out, wandb=False: calls.append((places, out)) or 0
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return calls


def ran(*words):
    """The command's exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "mine.yaml", *words])
    return ended.value.code


def study(content, name="mine"):
    path = Path(f"{name}.yaml")
    path.write_text(content)
    return path


# -- what is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["full", "small"])
@pytest.mark.parametrize(("name", "trials"), [("pretraining", 12), ("preprocessing", 9), ("domains", 3), ("losses", 7)])
def test_a_study_of_the_repository_composes(name, trials, size):
    given = {"seed": "0"} | ({"data.root": "x"} if size == "full" else {})
    found = read_study(ROOT / "sweeps" / f"{name}.yaml", size, given)
    assert len({trial.name for trial in found.trials}) == len(found.trials) == trials
    assert found.folder == Path(f"studies/{name}-{size}")
    assert {trial.run_dir.parent for trial in found.trials} == {found.folder}
    assert found.about


def test_every_loss_is_in_its_study_with_three_seeds():
    found = Counter(trial.overrides["loss"] for trial in read_study(ROOT / "sweeps" / "losses.yaml", "small").trials)
    assert found == {path.stem: 3 for path in (ROOT / "conf" / "loss").glob("*.yaml")}


def test_a_study_without_its_data_says_what_to_do_and_that_there_is_a_small_one():
    with pytest.raises(UsageError, match=r"add data\.root=FOLDER .*lungseg data get covid_qu_ex .* size=small$"):
        read_study(ROOT / "sweeps" / "pretraining.yaml")


def test_names_overrides_and_needs():
    path = study(
        "base: {data.limit: 40, optim.lr: 1e-2}\n"
        "before: {cropper: {task: lung}, unused: {}}\n"
        "grid:\n  cut: {whole: {}, lungs: {data.crop: <cropper>, data.limit: null}}\n  seed: [0, 1]\n"
        "sizes: {small: {base: {data.limit: 20}, before: {cropper: {seed: 5}}, grid: {seed: [7]}}}\n"
    )
    full, small = read_study(path), read_study(path, "small", {"data.size": "64"}, Path("out here"))
    names = ["cropper", "whole-seed0", "whole-seed1", "lungs-seed0", "lungs-seed1"]
    assert [trial.name for trial in full.trials] == names
    assert full.trials[0].words == ["data.limit=40", "optim.lr=0.01", "task=lung", "run_dir=studies/mine-full/cropper"]
    assert [trial.needs for trial in small.trials] == [(), (), ("cropper",)]
    assert small.trials[0].overrides["seed"] == "5"
    assert small.trials[2].words == [
        "data.limit=null", "optim.lr=0.01", "data.size=64", 'data.crop="out here/cropper"', "seed=7", "label=lungs",
        'run_dir="out here/lungs-seed7"',
    ]  # fmt: skip
    whole = read_study(path, given={"cut": "whole", "seed": "4,5"})
    assert {trial.overrides["label"] for trial in whole.trials} == {"whole"}  # seeds of one arm
    assert [trial.name for trial in whole.trials] == ["whole-seed4", "whole-seed5"]


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "null"), (True, "true"), (0.001, "0.001"), ([1, "a b"], '[1,"a b"]'), ({"a": [None]}, "{a:[null]}"),
     ("a/b.c", "a/b.c"), ("a,b", '"a,b"'), ('a"b', '"a\\"b"'), ("${seed}", "${seed}")],
)  # fmt: skip
def test_values_are_written_as_hydra_reads_them(value, written):
    assert text(value) == written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("grid: [", r"mine\.yaml: not readable as YAML"),
        ("- 1", r"mine\.yaml: is no mapping"),
        ("gird: {seed: [0]}", r"mine\.yaml: gird: no such key; .* did you mean grid\?"),
        ("grid: {seed: [0]}\ngrid: {seed: [1]}", r"mine\.yaml: not readable as YAML .*duplicate key"),
        ("about: nothing", r"mine\.yaml: grid is empty"),
        ("grid: {seed: []}", r"mine\.yaml: grid\.seed is empty"),
        ("grid: {seed: 3}", r"mine\.yaml: grid\.seed is 3; expected a mapping"),
        ("grid: {arm: {a: 3}}", r"mine\.yaml: grid\.arm\.a is 3; expected a mapping"),
        ("grid: {seed: [1, 1]}", r"mine\.yaml: grid\.seed: two options are called seed1"),
        ("grid: {a: {b-c: {}, b: {}}, d: {e: {}, c-e: {}}}", r"mine\.yaml: two things are called b-c-e"),
        ("grid: {arm: {logs: {}}}", r"mine\.yaml: two things are called logs"),
        ("grid: {arm: {../up: {}}}", r"mine\.yaml: grid\.arm: the option '\.\./up' will name folders"),
        ("grid: {seed: [1]}\nsizes: {full: {bass: {}}}", r"sizes\.full\.bass: no such key.*did you mean base\?"),
        ("grid: {seed: [1]}\nbase: {data.sise: 3}", r"trial seed1: data\.sise: no such key .*did you mean data\.size"),
        ("grid: {model: [unet, unnet]}", r"trial unnet: model=unnet: no such option.*did you mean unet\?"),
        ("grid: {seed: [one]}", r"trial one: seed=one: expected a whole number"),
        ("grid: {cut: {a: {data.crop: <croper>}}}\nbefore: {cropper: {}}", r"<croper> is no step.*mean cropper\?"),
        (
            "grid: {seed: [1]}\nbase: {pretrained: true, model.weights: gone.pt}",
            r"model\.weights=gone\.pt: no such file",
        ),
        ("grid: {seed: [1]}\nbase: {run_dir: x}", r"run_dir: is the study's own business; .*out=FOLDER"),
    ],
)
def test_a_bad_study_is_one_line_that_names_the_file_or_the_key(content, message):
    with pytest.raises(UserError, match=message) as refused:
        read_study(study(content))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["size=smal"], "error: size=smal: mine.yaml has no such size; there are full, small; did you mean small?"),
        (["arm=c"], "error: arm=c: mine.yaml has no such option; there are a, b"),
        (["optim.lr=1"], "error: optim.lr: the grid of mine.yaml sets it; choose among its options by arm=a,b"),
        (["ema=0.9,0.99"], "error: mine.yaml: trial a: ema=0.9,0.99: several values; make them an axis of grid"),
        (["small"], "error: small: expected KEY=VALUE, for example size=small"),
        (["seed=1", "seed=2"], "error: seed: given twice"),
    ],
)
def test_a_bad_command_line_is_one_line(words, message, capsys):
    study("grid: {arm: {a: {}, b: {optim.lr: 3}}}\nsizes: {small: {}}")
    assert ran(*words) in (1, 2)
    assert capsys.readouterr().err.startswith(message)


# -- what is run ---------------------------------------------------------------------------------------------------


def test_trials_run_in_order_and_a_second_call_runs_none(pretended, compared, capsys):
    study("about: Rates\nbefore: {cropper: {}}\ngrid: {optim.lr: [1, 2], cut: {lungs: {data.crop: <cropper>}}}")
    assert ran() == 0
    folder = Path("studies/mine-full")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Rates"
    heads = [line.split()[:2] for line in said if "finished in" in line]
    assert heads == [["1/3", "cropper"], ["2/3", "lr1-lungs"], ["3/3", "lr2-lungs"]]
    assert compared == [([folder], folder / "comparison")]
    kept = json.loads((folder / "study.json").read_text())
    assert kept["trials"]["lr1-lungs"].startswith("python train.py optim.lr=1 data.crop=studies/mine-full/cropper ")
    logs = {path: path.read_text() for path in (folder / "logs").iterdir()}
    assert ran() == 0
    assert "3 trials in studies/mine-full, 3 of them finished already" in capsys.readouterr().out
    assert {path: path.read_text() for path in (folder / "logs").iterdir()} == logs
    assert len(compared) == 2


def test_what_fails_is_named_and_the_others_go_on(pretended, compared, capsys):
    options = "{whole: {}, other: {}, lungs: {data.crop: <cropper>}, bug: {optim.lr: 8}}"
    study(f"before: {{cropper: {{optim.lr: 7}}}}\ngrid: {{cut: {options}}}")
    assert ran() == 1
    said, error = capsys.readouterr()
    assert "    error: optim.lr=7: too much; give less\n" in said
    assert "    RuntimeError: a bug\n" in said
    assert "not started, because one that they need is not finished: lungs" in said
    assert error.startswith(
        "error: 2 of the trials failed, as said above: cropper, bug; to try them again: lungseg sweep"
    )
    assert len(compared) == 1


def test_a_trial_goes_on_from_its_checkpoint_and_begins_anew_without_one(pretended):
    study("grid: {optim.lr: [1, 2, 3]}\nbase: {data.workers: 1}")
    assert ran() == 0
    runs = [Path(f"studies/mine-full/lr{n}") for n in (1, 2, 3)]
    logs = [Path(f"studies/mine-full/logs/lr{n}.log") for n in (1, 2, 3)]
    (runs[0] / "checkpoints" / "last.ckpt").touch()
    (runs[0] / "manifest.json").write_text('{"status": "stopped"}')
    (runs[1] / "manifest.json").unlink()
    (runs[1] / "left over").touch()
    assert ran() == 0
    assert [len(log.read_text().splitlines()) for log in logs] == [2, 2, 1]
    assert logs[0].read_text().splitlines()[1] == "resume=studies/mine-full/lr1 data.workers=1"
    assert logs[1].read_text().splitlines()[1].endswith("run_dir=studies/mine-full/lr2")
    assert not (runs[1] / "left over").exists()


def test_a_directory_of_somebody_else_is_left_alone(pretended, capsys):
    study("grid: {seed: [0]}")
    mine = Path("studies/mine-full/seed0/mine.txt")
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert ran() == 1
    assert "error: studies/mine-full/seed0: is not of this study; move it away" in capsys.readouterr().err
    assert mine.exists()


def test_a_folder_of_another_version_is_refused_but_more_trials_and_moved_data_are_not(pretended, capsys):
    study("base: {data: folder}\ngrid: {seed: [0], optim.lr: [1, 2]}")
    assert ran("data.root=a") == 0
    assert ran("data.root=b", "optim.lr=1,3") == 0
    kept = json.loads(Path("studies/mine-full/study.json").read_text())
    assert list(kept["trials"]) == ["seed0-lr1", "seed0-lr2", "seed0-lr3"]
    assert ran("data.root=a", "ema=0.9") == 1
    assert "in trial seed0-lr1, ema was not set and is now 0.9; bring back" in capsys.readouterr().err


def test_arms_without_weights_are_left_out_and_named_once(pretended, compared, capsys, monkeypatch):
    def missing(encoder, weights):
        raise UserError("pretrained=true: not here; place them so")

    monkeypatch.setattr("lungseg.commands.sweep.require_weights", missing)
    study("grid: {arm: {scratch: {}, fine: {pretrained: true}}, seed: [0, 1]}")
    assert ran() == 0
    said = capsys.readouterr().out
    assert said.count("place them so") == 1
    assert "trials: 2 finished, 2 no weights" in said
    assert "missing for lack of weights, as said above: fine-seed0, fine-seed1" in said
    assert ran("arm=fine", "out=none") == 1
    assert capsys.readouterr().err == ("error: none: none of the trials is finished, as said above\n")
    assert len(compared) == 1


def test_weights_that_only_the_program_finds_missing_are_no_failure_either(pretended, capsys, monkeypatch):
    monkeypatch.setattr("lungseg.commands.sweep.require_weights", lambda encoder, weights: None)
    study("grid: {arm: {scratch: {}, fine: {pretrained: true}}, seed: [0, 1]}")
    assert ran() == 0
    said = capsys.readouterr().out
    assert said.count("cannot be fetched") == 1
    assert "trials: 2 finished, 2 no weights" in said


def test_a_signal_stops_the_trial_and_the_message_goes_on(pretended, capsys):
    study("grid: {optim.lr: [9]}")
    before = signal.getsignal(signal.SIGTERM)
    watch = "import os,sys,time,pathlib\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.05)\n"
    watch += "os.kill(int(sys.argv[2]), 15)"
    process = subprocess.Popen([sys.executable, "-c", watch, "studies/mine-full/lr9/ready", str(os.getpid())])
    assert ran() == 128 + signal.SIGTERM
    process.wait()
    assert capsys.readouterr().err == "error: stopped; go on by: lungseg sweep mine.yaml size=full\n"
    assert Path("studies/mine-full/lr9/checkpoints/last.ckpt").exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_comparison_that_cannot_be_is_said_and_is_no_success(pretended, monkeypatch, capsys):
    def refuses(places, out):
        raise UserError("nothing in common")

    monkeypatch.setattr(sys.modules["lungseg.commands.compare"], "compare", refuses)
    study("grid: {seed: [0, 1]}")
    assert ran("seed=0") == 0
    assert "no comparison: it takes two finished trials" in capsys.readouterr().out
    assert ran() == 1
    assert capsys.readouterr().err == "error: nothing in common\n"


def test_two_sweeps_do_not_work_in_one_folder(pretended, capsys):
    study("grid: {seed: [0]}")
    with alone(Path("studies/mine-full")):
        assert ran() == 1
    assert "another sweep, or a trial that one left behind, is at work there" in capsys.readouterr().err


# -- with the real program -----------------------------------------------------------------------------------------


def test_a_stopped_study_goes_on_to_its_end(capsys):
    study("grid: {seed: [0, 1]}")
    words = [*TINY, "trainer.max_epochs=5"]
    first = subprocess.Popen(
        [sys.executable, "-m", "lungseg.cli", "sweep", "mine.yaml", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = Path("studies/mine-full/seed0")
    deadline = time.monotonic() + 90
    while not (run / "overlays" / "epoch-001.png").exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "1/2 seed0  stopped" in out
    assert err.splitlines()[-1].startswith("error: stopped; go on by: lungseg sweep mine.yaml size=full data.count=36")
    assert json.loads((run / "manifest.json").read_text())["status"] == "stopped"
    assert ran(*words) == 0
    assert (
        "going on from studies/mine-full/seed0/checkpoints/last.ckpt"
        in Path("studies/mine-full/logs/seed0.log").read_text()
    )
    assert "trials: 2 finished\n" in capsys.readouterr().out
    for name in ("seed0", "seed1"):
        assert (run.parent / name / "evaluation" / "phantom-test" / "cases.csv").exists()


def test_the_command_says_what_it_takes(tmp_path):
    result = run_program("-m", "lungseg.cli", "sweep", "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "lungseg sweep STUDY [size=SIZE] [KEY=VALUE ...]" in result.stdout
