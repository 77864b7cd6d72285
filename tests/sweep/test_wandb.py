"""W&B's own sweeps: the command line that its agent builds is one that train.py takes."""

import os
import subprocess

import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config

from tests.helpers import ROOT

SWEEP = ROOT / "sweeps" / "wandb.yaml"
TINY = {"experiment": "quick", "data.count": 36, "data.pixels": 32, "data.size": 32, "trainer": "cpu"}
TINY |= {"model": "unet_classic", "model.width": 4, "model.depth": 2}


def line(parameters):
    """As an agent does it, with its own functions."""
    args = create_sweep_command_args({"args": {key: {"value": value} for key, value in parameters.items()}})
    command = []
    for word in create_sweep_command(list(yaml.safe_load(SWEEP.read_text())["command"])):
        known = {"${env}": ["/usr/bin/env"], "${program}": [str(ROOT / "train.py")]}
        command += known[word] if word in known else args.get(word.strip("${}"), [word])
    return command


def test_the_agents_command_line_runs_into_the_run_that_it_chose(tmp_path):
    config = load_sweep_config(str(SWEEP))
    assert config is not None
    assert config["metric"] == {"name": "val/dice", "goal": "maximize"}
    chosen = {}
    for key, given in config["parameters"].items():
        chosen[key] = given.get("value", given.get("values", [given.get("min")])[0])
    assert list(chosen) == ["task", "model", "loss", "optim.lr", "seed"]
    path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    told = {"WANDB_MODE": "offline", "WANDB_SWEEP_ID": "abcd1234", "WANDB_RUN_ID": "chosen01", "PATH": path}
    words = line({**chosen, **TINY, "run_dir": "here"})
    done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **told}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "here" / "wandb_id").read_text().strip() == "chosen01"
    assert list((tmp_path / "here" / "wandb").glob("offline-run-*-chosen01"))


def test_every_choice_of_the_sweep_composes(tmp_path):
    from lungseg.core.config.compose import compose

    parameters = yaml.safe_load(SWEEP.read_text())["parameters"]
    for key, given in parameters.items():
        for value in given.get("values", [given.get("value", given.get("max"))]):
            words = line({key: value})
            assert words[3:] == [f"{key}={value}"]
            compose(words[3:])
