"""Every command and snippet of the README runs, made small; every line of its tree names what is there."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import types
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from segmentation_models_pytorch.encoders import get_encoder

import lungseg
from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import CONF
from lungseg.core.errors import Stopped
from lungseg.sweep.spec.study_file import read_study
from lungseg.sweep.state.study_record import record
from lungseg.tasks.segmentation.module import SegmentationModule
from lungseg.training.train import train
from tests.helpers import ROOT, run_program, run_warm
from tests.models.fakes import place_smp

README = (ROOT / "README.md").read_text()
SMALL = [
    "experiment=quick",
    "data.pixels=32",
    "data.size=32",
    "data.workers=0",  # two tests run side by side, on two cores
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "logger=none",
]
OWN_DATA = ["data.workers=0", *(word for word in SMALL if not word.startswith("data."))]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line.split("  #")[0].strip() for block in blocks("bash") for line in block.splitlines() if line.strip()]
PROGRAMS = [command for command in COMMANDS if command.startswith(("python ", "lungseg "))]
PUBLISHED = ("covid_qu_ex", "covid19_radiography", "shenzhen_montgomery")
INLINE = re.findall(r"`(python [^`]+)`", README)
ADDED = ["python train.py data=mine data.root=...", "python train.py model=linknet"]


def test_the_two_commands_are_the_ones_that_a_fresh_machine_runs():
    assert COMMANDS[:2] == ["pip install uv && uv run train.py", "uv run pytest"]
    assert COMMANDS[2:] == PROGRAMS
    assert set(ADDED) <= set(INLINE)  # tested where what they name is added, below
    assert "uv run pytest" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which the README's names exist: a finished run, one that was stopped, data, a hub's cache."""
    place = tmp_path_factory.mktemp("readme")
    place_smp(place / "hub" / "hub", "resnet18", get_encoder("resnet18", in_channels=3, weights=None).state_dict())
    tiny = [*SMALL, "model=unet_classic", "model.width=4", "model.depth=2", "data.size=32"]
    train(train_config([*tiny, f"run_dir={place / 'runs' / 'finished'}"]))
    train(train_config([*tiny, "seed=1", f"run_dir={place / 'runs' / 'my_other_run'}"]))
    (place / "sweeps").symlink_to(ROOT / "sweeps")
    (place / "alike" / "runs").mkdir(parents=True)
    for name in ("finished", "my_other_run"):
        (place / "alike" / "runs" / name).symlink_to(place / "runs" / name)
    original, steps = SegmentationModule.training_step, []

    def stop_in_the_second_step(self, batch, batch_idx):
        steps.append(batch_idx)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", stop_in_the_second_step)
        with pytest.raises(Stopped):
            train(train_config([*tiny, f"run_dir={place / 'runs' / 'stopped'}"]))
    return place


FEW = {
    "losses": ["loss=bce,dice", "seed=0", "model=unet_classic", "model.width=4", "model.depth=2"],
    "pretraining": ["arm=scratch", "task=lung", "seed=0,1", "model=unet", "model.encoder=resnet18", "data.size=32"],
    "search": ["budget.trials=1", "retrain=0", "model.encoder=resnet18", "data.size=32"],
}


def begin_a_study(place):
    study = read_study(ROOT / "sweeps" / "losses.yaml", "small", {"seed": "0"}, place / "studies" / "begun")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        record(replace(study, folder=Path("studies/begun")), "lungseg sweep sweeps/losses.yaml size=small seed=0")


def run_installed(*words, cwd):
    """The console script that the installation made."""
    script = Path(sys.executable).parent / "lungseg"
    assert script.is_file(), "run uv sync: the environment lacks the lungseg command"
    env = {**os.environ, "PATH": str(cwd)}
    return subprocess.run([script, *words], cwd=cwd, env=env, capture_output=True, text=True)


LONG = (  # the slow suite runs these
    *("python train.py -m model=unet,deeplabv3", "lungseg sweep sweeps/pretraining.yaml"),
    "lungseg sweep sweeps/search.yaml",
)


def _marked(command):
    return pytest.param(command, marks=pytest.mark.slow) if command.startswith(LONG) else command


@pytest.mark.parametrize("command", [_marked(command) for command in [*PROGRAMS, *INLINE] if command not in ADDED])
def test_a_command_of_the_readme_runs(command, place, folder_data, request):
    link = place / "runs" / "my_run"
    link.unlink(missing_ok=True)
    link.symlink_to(place / "runs" / ("stopped" if "resume=" in command else "finished"))
    (place / "my_data").unlink(missing_ok=True)
    (place / "my_data").symlink_to(folder_data)
    for name in PUBLISHED:
        if f"={name}" in command and "data get" not in command and not (place / name).exists():
            (place / name).symlink_to(request.getfixturevalue("realdata") / name)
    script, *words = shlex.split(command.removeprefix("python "))
    if script == "lungseg":
        if words[:2] == ["sweep", "status"]:
            begin_a_study(place)
            result = run_installed(*words, cwd=place)
            assert result.returncode == 0, result.stderr
            assert "studies/begun of 7 trials" in result.stdout
            return
        if words[0] == "sweep":
            few = next(few for name, few in FEW.items() if name in command)
            words += [*few, "experiment=quick", "data.workers=0", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
        here = place / "alike" if words[0] == "compare" else place  # runs/ has those of the other commands, too
        result = run_installed(*words, cwd=here)
        if words[0] in ("sweep", "compare"):
            assert result.returncode == 0, result.stderr
            page = Path(result.stdout.strip().splitlines()[-1].split()[-1])
            assert (here / page).read_text().startswith("<!doctype html>")
            return
        assert result.returncode == (1 if words[1] == "get" else 0), result.stderr  # no client here: the steps by hand
        assert "To get covid_qu_ex by hand" in result.stdout or words[1] != "get"
        return
    if script == "train.py" and not any(word.startswith(("resume=", "--")) for word in words):
        words += OWN_DATA if any(word.startswith("data=") for word in words) else SMALL
    run = run_program if "pretrained" in command else run_warm  # where weights lie is read while they are imported
    result = run(script, *words, cwd=place, env={"HF_HOME": str(place / "hub")})
    assert result.returncode == 0, result.stderr
    if script == "evaluate.py" or "Dice [95% CI]" in result.stdout:
        assert "mean mask" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_data_set_is_added_as_the_readme_says(tmp_path, folder_data, monkeypatch):
    (_, source), data, model = blocks("python"), *blocks("yaml")
    mine = types.ModuleType("lungseg.data.sources.mine")
    exec(source, mine.__dict__)
    monkeypatch.setitem(sys.modules, mine.__name__, mine)
    root = tmp_path / "own"
    (root / "images").mkdir(parents=True)
    for image in (folder_data / "images").iterdir():
        image.rename(root / "images" / f"{image.stem}_1.png")
        (root / "masks").mkdir(exist_ok=True)
        (folder_data / "lung_masks" / image.name).rename(root / "masks" / f"{image.stem}_1.png")
    for group, text in (("data", data), ("model", model)):
        path = tmp_path / "conf" / group / f"{yaml.safe_load(text)['name']}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    shutil.copytree(CONF, tmp_path / "conf", dirs_exist_ok=True)  # the clone's own, with the two files more
    monkeypatch.setattr("lungseg.core.security.allowed_targets.CONF", tmp_path / "conf")
    here = f"hydra.searchpath=[file://{tmp_path / 'conf'}]"
    words = ["data=mine", f"data.root={root}", "model=linknet", *OWN_DATA, f"run_dir={tmp_path / 'run'}"]
    run = train(train_config([here, *words]))
    assert run.config().model.net.options["arch"].endswith("Linknet")
    assert sum(run.manifest()["cases"].values()) == 12
    assert (run.path / "evaluation" / "mine-test" / "cases.csv").read_text().count("\n") >= 2


def tree():
    """Path -> what the tree says of it."""
    (block,) = [block for block in blocks("text") if block.startswith("train.py")]
    folders, found = [], {}
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, said = line.strip().partition(" ")
        folders[depth:] = [name]
        found["".join(folders)] = said.strip()
    return found


def test_the_tree_names_every_file_once_and_nothing_else():
    said = tree()
    assert [path for path in said if not (ROOT / path).exists()] == []
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "lungseg").rglob("*.py") if path.name != "__init__.py"}
    assert code - {path for path in said if path.startswith("lungseg/")} == set()
    assert {f"conf/{path.name}/" for path in (ROOT / "conf").iterdir() if path.is_dir()} <= said.keys()
    assert {path.name for path in ROOT.glob("*.py")} <= said.keys()
    assert [path for path, what in said.items() if path.endswith(".py") and not what] == []


def test_its_python_runs_made_small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = [*SMALL[1:], "model=unet_classic", "model.width=4", "model.depth=2"]
    original, names = lungseg.train, {}
    monkeypatch.setattr(lungseg, "train", lambda words: original([*words, *[w for w in tiny if w not in words]]))
    exec(blocks("python")[0], names)
    assert {path.name for path in names["folder"].iterdir()} >= {"cases.csv", "summary.json", "worst.png"}
    assert names["run"] != names["again"]


def test_links_and_the_picture_are_there():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).is_file()


def test_the_run_directory_is_as_the_readme_draws_it(place):
    (block,) = [block for block in blocks("text") if block.startswith("runs/")]
    named = re.findall(r"^  (\S+)", block, re.MULTILINE)
    there = {path.name for path in (place / "runs" / "finished").iterdir()}
    assert there == {name.rstrip("/") for name in named} - {"wandb"}  # no dashboard in tests


def test_the_page_on_the_architecture_names_files_that_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:lungseg|tests|conf|benchmarks|\.ci)/[\w./]*\w)`", text))
    assert len(named) > 35
    assert {name for name in named if not (ROOT / name).exists()} == set()
    layers = re.findall(r"^        (\w[\w |]*)$", text, re.MULTILINE)
    assert (
        layers == tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    )
