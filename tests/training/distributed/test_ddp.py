"""Several ranks on one machine: the numbers of one, one writer, and an end for all whenever one ends."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lungseg.core import rank_environment
from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.training.train import train
from tests.helpers import ROOT

SMALL = ["experiment=quick", "data.count=39", "data.limit=null", "data.pixels=32", "data.size=32", "data.workers=0"]
SMALL += ["model=unet_classic", "model.width=4", "model.depth=2", "optim=sgd", "optim.lr=0.05", "logger=none"]
SMALL += ["trainer.max_epochs=3", "trainer.save_every_minutes=0"]
ONE = ["trainer=cpu", *SMALL, "data.batch_size=8"]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true", *SMALL, "data.batch_size=4"]


def fit(path, words):
    return train(train_config([*words, f"run_dir={path}"]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("runs") / "two", TWO)


@pytest.fixture
def started(tmp_path):
    """``cut``, a run on two ranks that has an epoch behind it, and the process id of its rank 1."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *TWO, "run_dir=cut"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    seen, deadline = tmp_path / "cut" / "overlays" / "epoch-001.png", time.monotonic() + 90
    while not seen.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield process, children(process.pid)[0]
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def rows(path):
    return list(csv.DictReader(path.open()))


def equal(run, other):
    one, two = (load_checkpoint(each.last)["state_dict"] for each in (run, other))
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_two_ranks_have_the_curve_of_one_and_its_very_table(whole, tmp_path):
    one = fit(tmp_path / "one", ONE)
    curves = [rows(run.metrics_file) for run in (one, whole)]
    assert len(curves[0]) == len(curves[1])
    for ours, theirs in zip(*curves, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert float(ours[name] or 0) == pytest.approx(float(theirs[name] or 0), rel=1e-4, nan_ok=True), name
    tables = [rows(run.path / "evaluation" / "phantom-test" / "cases.csv") for run in (one, whole)]
    briers = [[float(row.pop("lung_brier")) for row in table] for table in tables]
    assert tables[0] == tables[1]
    assert briers[0] == pytest.approx(briers[1], abs=1e-5)  # the only column that is no count of pixels


def test_layers_are_as_they_were_once_training_is_over(whole):
    keys = load_checkpoint(whole.last)["state_dict"].keys()
    assert any(key.endswith("running_var") for key in keys)
    assert not torch.distributed.is_initialized()
    assert "LUNGSEG_TOKEN" not in os.environ


def test_a_rank_that_is_killed_ends_the_others_and_the_run_goes_on_to_the_same_bits(whole, started, tmp_path):
    process, follower = started
    os.kill(follower, signal.SIGKILL)
    killed = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - killed < 30
    assert process.returncode == 1
    said = [line for line in errors.splitlines() if line]
    assert said == [
        "error: rank 1 of 2 died: killed by SIGKILL, as where memory runs out; "
        "go on from what was saved by: python train.py resume=cut"
    ]
    run = Run(tmp_path / "cut")
    assert run.manifest()["status"] == "failed"
    train(train_config([f"resume={run.path}"]))
    assert equal(run, whole)


def test_no_process_outlives_rank_zero(started):
    process, follower = started
    os.kill(process.pid, signal.SIGKILL)
    assert gone(follower, seconds=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=pytest.mark.slow)])
def test_a_signal_to_any_one_rank_saves_and_ends_all(whole, started, number):
    process, follower = started
    os.kill(follower, number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, out + errors
    assert errors.splitlines() == ["error: stopped, state saved; go on by: python train.py resume=cut"]
    assert gone(follower, seconds=1)


def test_nodes_that_nothing_started_are_refused_with_the_way(tmp_path):
    with pytest.raises(UserError, match=r"nothing started 1 processes on 1 nodes; .*srun --nodes=N"):
        fit(tmp_path / "run", [*TWO, "trainer.num_nodes=2"])
    assert not (tmp_path / "run").exists()


SRUN = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "gpu[03-04,09]",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}


@pytest.mark.parametrize(
    ("env", "rank", "ranks", "address"),
    [
        ({}, 0, 1, "127.0.0.1"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}, 0, 1, "127.0.0.1"),  # no srun
        (SRUN, 3, 4, "gpu03"),
        (SRUN | {"SLURM_STEP_NODELIST": "a1,b2"}, 3, 4, "a1"),
        (SRUN | {"MASTER_ADDR": "10.0.0.1"}, 3, 4, "10.0.0.1"),
        (SRUN | {rank_environment.RANK: "0/1"}, 0, 1, "127.0.0.1"),  # a worker's own child
    ],
)
def test_the_place_among_the_ranks(env, rank, ranks, address):
    place = rank_environment.place(env)
    assert (place.rank, place.ranks, place.address) == (rank, ranks, address)


def test_two_jobs_and_two_steps_of_a_job_meet_at_ports_of_their_own():
    ports = [
        rank_environment.place(SRUN | {"SLURM_JOB_ID": job, "SLURM_STEP_ID": step}).port
        for job in "78"
        for step in ("0", "1")
    ]
    assert len(set(ports)) == 4
