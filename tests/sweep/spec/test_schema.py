"""What is read from a study's YAML and from the command line."""

from collections import Counter
from pathlib import Path

import pytest

from lungseg.cli.main import main
from lungseg.cli.sweep import sweep
from lungseg.core.errors import UsageError, UserError
from lungseg.sweep.spec import preflight
from lungseg.sweep.spec.schema import text
from lungseg.sweep.spec.study_file import read_study
from tests.helpers import ROOT


def ran(*words):
    """The command's exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "mine.yaml", *words])
    return ended.value.code


def study(content, name="mine"):
    path = Path(f"{name}.yaml")
    path.write_text(content)
    return path


@pytest.mark.parametrize("size", ["full", "small"])
@pytest.mark.parametrize(("name", "trials"), [("pretraining", 12), ("preprocessing", 9), ("domains", 3), ("losses", 7)])
def test_a_study_of_the_repository_composes(name, trials, size, monkeypatch):
    given = {"seed": "0"}
    if size == "full":
        given["data.root"] = "x"  # which is not looked at
        monkeypatch.setattr(preflight, "build_cases", lambda data: [])
        monkeypatch.setattr(preflight, "build_splits", lambda cases, data: {})
    found = read_study(ROOT / "sweeps" / f"{name}.yaml", size, given)
    assert len({trial.name for trial in found.trials}) == len(found.trials) == trials
    assert found.folder == Path(f"studies/{name}-{size}")
    assert {trial.parts[0].run_dir.parent for trial in found.trials} == {found.folder}
    assert found.about


def test_the_study_of_ct_compares_nets_for_slices_with_nets_for_volumes(monkeypatch):
    monkeypatch.setattr(preflight, "build_cases", lambda data: [])
    monkeypatch.setattr(preflight, "build_splits", lambda cases, data: {})
    for size in ("full", "quick", "small"):
        given = {} if size == "small" else {"data.root": "x"}
        found = read_study(ROOT / "sweeps" / "ct.yaml", size, given)
        nets = Counter(
            (trial.parts[0].overrides["model"], trial.parts[0].overrides["data.view"]) for trial in found.trials
        )
        assert nets == {("unet", "slices"): 3, ("unet3d", "patches"): 3}
        assert len({trial.parts[0].overrides["data.test"] for trial in found.trials}) == 1


def test_every_loss_is_in_its_study_with_three_seeds():
    found = Counter(
        trial.parts[0].overrides["loss"] for trial in read_study(ROOT / "sweeps" / "losses.yaml", "small").trials
    )
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
    assert full.trials[0].parts[0].words == [
        "data.limit=40",
        "optim.lr=0.01",
        "task=lung",
        "run_dir=studies/mine-full/cropper",
    ]
    assert [trial.needs for trial in small.trials] == [(), (), ("cropper",)]
    assert small.trials[0].parts[0].overrides["seed"] == "5"
    assert small.trials[2].parts[0].words == [
        "data.limit=null", "optim.lr=0.01", "data.size=64", 'data.crop="out here/cropper"', "seed=7", "label=lungs",
        'run_dir="out here/lungs-seed7"',
    ]  # fmt: skip
    whole = read_study(path, given={"cut": "whole", "seed": "4,5"})
    assert {trial.parts[0].overrides["label"] for trial in whole.trials} == {"whole"}  # seeds of one arm
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
        ("grid: {seed: 3}", r"mine\.yaml: grid\.seed is 3; expected a list of values as \[3\], or options"),
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
            "before: {a: {data.crop: <b>}, b: {data.crop: <a>}}\ngrid: {cut: {x: {data.crop: <a>}}}",
            r"before\.a: data\.crop: <b> is a step of before, and a step cannot use one that waits for it in turn "
            r"\(a waits for b waits for a\); set data\.crop",
        ),
        (
            "before: {a: {data.crop: <a>}}\ngrid: {cut: {x: {data.crop: <a>}}}",
            r"before\.a: data\.crop: <a> is a step of before, and a step cannot use itself; set data\.crop",
        ),
        (
            "before: {a: {data.crop: <b>}, b: {}}\nsearch: {optim.lr: [1, 2]}\nbase: {data.crop: <a>}\n"
            "budget: {trials: 2}",
            r"before\.a: data\.crop: <b> is a step of before, and a step cannot use another step",
        ),
        (
            "before: {a: {data.crop: <b>}, b: {data.crop: <c>}, c: {data.crop: <b>}}\n"
            "grid: {cut: {x: {data.crop: <a>}}}",
            r"before\.a: .*, and a step cannot use another step \(b waits for c waits for b\); set data\.crop",
        ),
        (
            "before: {a: {data.crop: <b>, model.weights: <c>}, b: {data.crop: <c>}, c: {data.crop: <b>}}\n"
            "grid: {cut: {x: {data.crop: <a>}}}",
            r"cannot use another step \((b waits for c waits for b|c waits for b waits for c)\); set data\.crop",
        ),
        ("grid: {seed: [1]}\nbefore: {../up: {}}", r"mine\.yaml: before: the step '\.\./up' will name folders"),
        (
            "grid: {seed: [1]}\nbase: {pretrained: true, model.weights: gone.pt}",
            r"model\.weights=gone\.pt: no such file",
        ),
        ("grid: {seed: [1]}\nbase: {hydra.run.dir: x}", r"hydra.run.dir: is the study's own business; .*out=FOLDER"),
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
        (["loss="], "error: loss=: a value is needed"),
        (["trainer.max_epochs=two"], "error: mine.yaml: trial a: trainer.max_epochs=two: expected a whole number"),
        (["data.size=8"], "error: mine.yaml: trial a: data.size=8: expected a whole number from 32 to 8192"),
        (["data=folder", "data.root=gone"], "error: mine.yaml: trial a: data.root=gone: no such folder"),
        (["data.test=0.999"], "error: mine.yaml: trial a: data"),
        (["budget.trials=3"], "error: budget: mine.yaml is a grid, in which every trial is run; only a search has"),
        (["retrain=3"], "error: retrain: mine.yaml is a grid"),
        (["budget.hours=x"], "error: budget.hours: found x, expected a number"),
        (["retries=1.5"], "error: retries: found 1.5, expected a whole number"),
        (["objective=val/dice,val/loss"], "error: objective=val/dice,val/loss: two are written as objective=[val/dice"),
        (["out=/proc/x"], "error: /proc/x: No such file or directory; choose another out=FOLDER"),
        (["storage=postgres//x"], "error: storage=postgres//x: is no database's address"),
    ],
)
def test_a_bad_command_line_is_one_line_and_leaves_nothing(words, message, capsys):
    study("grid: {arm: {a: {}, b: {optim.lr: 3}}}\nsizes: {small: {}}")
    assert ran(*words) in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1
    assert not Path("studies/mine-full").exists()


def test_the_check_before_a_study_reads_no_image(monkeypatch):
    monkeypatch.setattr("lungseg.data.audit.split_leakage.find_pairs", lambda cases: pytest.fail("it read them"))
    assert read_study(study("base: {data.drop_leaks: true}\ngrid: {seed: [0]}")).trials


def test_data_that_only_the_nodes_see_is_no_error(monkeypatch):
    monkeypatch.setattr("lungseg.sweep.spec.study_file.require_executor", lambda kind: None)
    path = study("base: {data: folder}\ngrid: {seed: [0]}\nexecutor: slurm")
    with pytest.raises(UserError, match="no such folder"):
        read_study(path, given={"data.root": "gone", "executor": "local"})
    assert read_study(path, given={"data.root": "gone"}).trials


def test_a_key_that_only_some_choices_have_is_told_how_to_say_so():
    path = study("search: {loss: [bce, tversky], loss.alpha: {low: 0.1, high: 0.9}}\nbudget: {trials: 2}")
    with pytest.raises(UserError, match=r"search\.loss\.alpha: not every trial has this key .* say when: \{KEY"):
        read_study(path)


@pytest.mark.parametrize(
    ("kind", "there", "message"),
    [
        ("slurm", False, r"executor=slurm: needs submitit; install it: uv pip install 'lungseg\[slurm\]'"),
        ("slurm", True, "executor=slurm: there is no sbatch here; run it where SLURM's commands are"),
        ("ray", False, r"executor=ray: needs ray; install it: uv pip install 'lungseg\[ray\]'"),
    ],
)
def test_an_executor_that_is_not_there_is_said_before_anything_is_written(kind, there, message, monkeypatch, tmp_path):
    monkeypatch.setattr(preflight, "find_spec", lambda name: there or None)
    monkeypatch.setenv("PATH", str(tmp_path))
    study("grid: {seed: [0]}")
    with pytest.raises(UserError, match=message):
        sweep(Path("mine.yaml"), given={"executor": kind})
    assert not Path("studies").exists()
