"""The pretraining study on local slots, on a SLURM of two nodes and on a Ray of two nodes: the same numbers."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lungseg.sweep.state.study_record import recorded
from lungseg.sweep.state.trial_queue import TrialQueue
from tests.helpers import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip("ray")

WORDS = ["size=small", "arm=scratch", "seed=0", "data.count=60", "trainer.max_epochs=3", "trainer=cpu"]
WORDS += ["resources.gpus=0", "resources.cpus=1"]
EXECUTORS = {
    "local": ["slots=2"],
    "slurm": ["executor=slurm", "workers=2", "slurm.partition=low", "slurm.timeout_min=30"],
    "ray": ["executor=ray", "workers=2", "ray.address=auto"],
}


def swept(name, folder, env):
    """Trial -> its value, and the order of the trials by it."""
    command = [str(Path(sys.executable).with_name("lungseg")), "sweep", str(ROOT / "sweeps" / "pretraining.yaml")]
    done = subprocess.run(
        [*command, *WORDS, *EXECUTORS[name], f"out={folder / name}"], cwd=folder, env=env, capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / name / "comparison" / "comparison.html").read_text().startswith("<!doctype html>")
    here = os.getcwd()
    try:
        rows = TrialQueue(recorded(folder / name)[0]).rows()
    finally:
        os.chdir(here)
    assert [row.state for row in rows] == ["finished"] * 4
    values = {row.name: row.values[0] for row in rows}
    tables = {
        row.name: json.loads(next((folder / name / row.name / "evaluation").glob("*/summary.json")).read_text())[
            "results"
        ]
        for row in rows
    }
    return values, sorted(values, key=values.get), tables


def test_the_study_ranks_its_trials_alike_wherever_it_runs(slurm, tmp_path):
    """Bit for bit, in fact: a trial knows nothing of who runs it."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "LUNGSEG_CACHE": str(tmp_path / "cache")}
    local = swept("local", tmp_path, env)
    assert set(local[0]) == {
        f"{model}-scratch-{task}-seed0" for model in ("unet", "deeplabv3") for task in ("lung", "infection")
    }
    on_slurm = swept("slurm", tmp_path, {**slurm, "LUNGSEG_CACHE": str(tmp_path / "cache")})
    folder = Path(f"/tmp/lungseg-ray-{os.getpid()}")
    folder.mkdir()
    from tests.cluster.test_ray import Cluster  # which is not to be collected where there is no Ray

    cluster = Cluster(folder, env)
    try:
        cluster.add("--num-cpus=1")
        cluster.add("--num-cpus=1")
        on_ray = swept("ray", tmp_path, cluster.env)
    finally:
        cluster.down()
        shutil.rmtree(folder, ignore_errors=True)
    assert on_slurm == local
    assert on_ray == local
