import itertools
import time

import pytest

from lungseg.core.config.compose import compose, options
from tests.helpers import GROUPS, run_program


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_composes(group):
    for option in options(group):
        compose([f"{group}={option}", *(["data.root=somewhere"] if "root" in _text("data", option, group) else [])])


def _text(group, option, of):
    from lungseg.core.config.compose import CONF

    return (CONF / group / f"{option}.yaml").read_text() if of == group else ""


def test_the_whole_grid_composes_as_it_reads():
    grid = itertools.product(options("task"), options("model"), ("true", "false"), ("true", "false"))
    for task, model, pretrained, frozen in grid:
        words = [f"task={task}", f"model={model}", f"pretrained={pretrained}", f"freeze_encoder={frozen}"]
        cfg = compose(words)
        assert cfg.task.name == task
        assert cfg.model.name == model
        assert str(cfg.model.pretrained).lower() == pretrained
        assert str(cfg.model.freeze).lower() == frozen
        assert cfg.data.name == "phantom"


def test_the_grid_has_the_models_and_tasks_of_the_field():
    assert {"unet", "unet_classic", "unetplusplus", "manet", "deeplabv3", "deeplabv3plus", "fpn", "segformer"} <= set(
        options("model")
    )
    assert set(options("task")) == {"lung", "infection", "lung_infection"}


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["model=unte"], ["model=unte", "did you mean unet?"]),
        (["modle=unet"], ["modle", "did you mean model?"]),
        (["trainer.max_epoch=3"], ["trainer.max_epoch", "did you mean trainer.max_epochs?"]),
        (["model=deeplabv3", "model.encodr=resnet18"], ["model.encodr", "did you mean model.encoder?"]),
        (["pretraind=true"], ["pretraind", "did you mean pretrained?"]),
        (["pretrained=maybe"], ["pretrained=maybe", "valid bool"]),
        (["seed=x"], ["seed=x", "Integer"]),
        (["model=unet,deeplabv3"], ["-m"]),
        (["data=folder"], ["data.root", "data.root=..."]),
        (["unet"], ["unet", "expected KEY=VALUE"]),
        (["data=folder", "data.root=a=b,c"], ["data.root", """put it into two pairs of quotes: 'data.root="a=b,c"'"""]),
        (["logger=[wandb,foo]"], ["logger=foo: no such option", "tensorboard"]),
    ],
)
def test_a_mistyped_option_is_one_line_with_the_nearest_right_one(words, parts, tmp_path):
    started = time.monotonic()
    result = run_program("train.py", *words, cwd=tmp_path)
    assert time.monotonic() - started < 10  # what matters is that nothing heavy is imported: see the next test
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for part in parts:
        assert part in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_names_groups_options_and_examples_without_importing_torch(tmp_path):
    result = run_program("train.py", "--help", cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert result.returncode == 0
    for group in GROUPS:
        for option in options(group):
            line = next(line for line in result.stdout.splitlines() if line.strip().startswith(f"{group}:"))
            assert option in line
    assert "python train.py model=deeplabv3 pretrained=true task=infection" in result.stdout
    assert sum(line.startswith("  python train.py") for line in result.stdout.splitlines()) == 3
    imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "hydra" in imported
    assert not imported & {"torch", "pytorch_lightning", "cv2", "numpy", "wandb", "albumentations"}


def test_help_tells_the_defaults_as_they_are(tmp_path):
    text = run_program("train.py", "--help", cwd=tmp_path).stdout
    told = dict(word.split("=") for word in text.split("Where none is given:")[1].split("Examples")[0].split())
    cfg = compose([])
    assert told.keys() == {*GROUPS} - {"experiment"}
    for group in ("task", "data", "model"):
        assert cfg[group].name == told.pop(group)
    assert list(cfg.logger) == [told.pop("logger")]
    for group, option in told.items():
        assert cfg[group] == compose([f"{group}={option}"])[group]
    assert "trainer=auto" in text


def test_help_of_evaluate_lists_the_data_sets(tmp_path):
    result = run_program("evaluate.py", "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert f"Data sets: {', '.join(options('data'))}" in result.stdout


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["run=x", "task=lung"], ["task: no such key or group", "threshold"]),
        (["runs/x"], ["runs/x: expected KEY=VALUE, for example run=runs/my_run"]),
        (["run=x", "threshold=abc"], ["threshold=abc: expected a number"]),
        (["run=x", "modle=unet"], ["modle: no such key or group"]),
    ],
)
def test_evaluate_says_what_it_takes(words, parts, tmp_path):
    result = run_program("evaluate.py", *words, cwd=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert all(part in result.stderr for part in parts), result.stderr


def test_a_quoted_value_reaches_the_program(tmp_path):
    result = run_program("train.py", "data=folder", 'data.root="a=b,c [x]"', cwd=tmp_path)
    assert result.returncode == 1
    assert "error: data.root=a=b,c [x]: no such folder" in result.stderr


def test_evaluate_without_a_run_says_what_is_needed(tmp_path):
    result = run_program("evaluate.py", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.strip() == "error: run: a value is needed; add run=..."


def test_a_task_sets_its_data_and_the_command_line_wins():
    assert compose(["task=infection"]).data.name == "phantom"
    assert compose(["task=infection", "data=folder", "data.root=x"]).data.name == "folder"


def test_traceback_is_shown_when_asked_for(tmp_path):
    result = run_program("train.py", "traceback=true", "model=unte", cwd=tmp_path)
    assert "Traceback" in result.stderr
    assert result.returncode != 0


def test_a_grid_on_several_devices_is_refused_with_the_way_out(tmp_path):
    result = run_program("train.py", "-m", "model=unet,fpn", "trainer=ddp", cwd=tmp_path)
    assert result.returncode == 2
    assert "trainer.devices=1" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("key", ["resume", "run_dir"])
def test_a_grid_of_one_directory_is_refused_wherever_m_stands(tmp_path, key):
    result = run_program("train.py", "seed=1,2", "-m", f"{key}=x", cwd=tmp_path)
    assert result.returncode == 2
    assert (
        result.stderr.strip()
        == f"error: {key}= with -m: the runs of a grid each make a directory of their own; leave it out"
    )
