"""Grids by Hydra's own launchers: jobs that submitit starts, each of one or several ranks."""

import subprocess
import sys

import pytest

from lungseg.core.run_directory import Run
from tests.helpers import ROOT

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
pytestmark = pytest.mark.slow

SMALL = ["experiment=quick", "data.count=39", "data.limit=null", "data.pixels=32", "data.size=32", "data.workers=0"]
SMALL += ["model=unet_classic", "model.width=4", "model.depth=1", "logger=none", "data.batch_size=4"]
ONE = ["trainer=cpu", "hydra.launcher.tasks_per_node=1"]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true", "hydra.launcher.tasks_per_node=2"]


def grid(launcher, *words, cwd, env):
    return subprocess.run(
        [sys.executable, ROOT / "train.py", "-m", f"hydra/launcher={launcher}", *SMALL, *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )


def finished(folder):
    runs = [Run(path.parent) for path in folder.glob("runs/*/manifest.json")]
    assert all(run.manifest()["status"] == "finished" for run in runs)
    return len(runs)


@pytest.mark.parametrize("devices", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("launcher", ["submitit_local", "submitit_slurm"])
def test_a_grid(slurm, tmp_path, launcher, devices):
    result = grid(launcher, *devices, "seed=0,1", cwd=tmp_path, env=slurm)
    assert result.returncode == 0, result.stdout + result.stderr
    assert finished(tmp_path) == 2


def test_what_failed_is_one_line_for_the_one_who_waits(slurm, tmp_path):
    result = grid("submitit_local", *ONE, "data.batch_size=4,0", cwd=tmp_path, env=slurm)
    assert result.returncode == 1
    which, error = result.stderr.strip().splitlines()
    assert "'data.batch_size=0'" in which  # Hydra's own line
    assert error == "error: data.batch_size=0: expected a whole number from 1 to 10000, for example 8"
    assert finished(tmp_path) == 1
