"""Jobs of two nodes that SLURM stops in every way it has; they come back, and end as if nothing had happened."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from lungseg.core.config.command_line import train_config
from lungseg.core.run_directory import Run
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.training.train import train
from tests.helpers import ROOT

pytestmark = pytest.mark.slow

SMALL = ["experiment=quick", "data.count=39", "data.limit=null", "data.pixels=32", "data.size=32", "data.workers=0"]
SMALL += ["model=unet_classic", "model.width=4", "model.depth=2", "optim=sgd", "optim.lr=0.05", "logger=none"]
SMALL += ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true", "data.batch_size=4"]
SMALL += ["trainer.max_epochs=30"]
NODES = [*SMALL, "trainer.num_nodes=2", "trainer.devices=1"]
TRAIN = [sys.executable, str(ROOT / "train.py")]


class Job:
    """One that trains in ``folder``."""

    def __init__(self, env, folder, words, options=(), srun="srun"):
        self.env, self.folder, self.log = env, folder, folder / "job.log"
        script = folder / "job.sh"
        script.write_text("#!/bin/bash\n" + " ".join([srun, *TRAIN, *words]) + "\n")
        self.id = self.ask(
            "sbatch", "--parsable", "--requeue", "--open-mode=append", "--chdir", folder, "--output", self.log,
            "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=1", *options, script,
        ).strip()  # fmt: skip

    def ask(self, *words):
        done = subprocess.run([str(word) for word in words], env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __getitem__(self, key):
        return re.search(rf"\b{key}=(\S+)", self.ask("scontrol", "show", "job", self.id))[1]

    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def until(self, condition, what, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"no {what}; {self['JobState']}:\n{self.said()}"
            time.sleep(0.2)

    def until_epoch(self, number):
        picture = self.folder / "run" / "overlays" / f"epoch-{number:03d}.png"
        self.until(picture.exists, f"epoch {number}")

    def comes_back(self, seconds=90):
        self.until(lambda: (self["Restarts"], self["JobState"]) == ("1", "PENDING"), "restart", seconds)
        time.sleep(3)  # in the second in which it went SLURM has it start with a credential that is revoked
        self.ask("scontrol", "update", f"jobid={self.id}", "StartTime=now")

    def ends(self, seconds=150):
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        self.until(lambda: self["JobState"] in over, "end", seconds)
        return self["JobState"]

    def ranks(self):
        """Rank -> process id."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                env = dict(part.split("=", 1) for part in (entry / "environ").read_text().split("\0") if "=" in part)
                if env.get("SLURM_JOB_ID") == self.id and "SLURM_STEP_ID" in env and "train.py" in (
                    entry / "cmdline"
                ).read_text() and (entry / "comm").read_text().startswith("python"):  # fmt: skip
                    found[int(env["SLURM_PROCID"])] = int(entry.name)
            except (OSError, ValueError):
                continue
        return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Undisturbed, on one node."""
    path = tmp_path_factory.mktemp("whole") / "run"
    return train(train_config([*SMALL, f"run_dir={path}"]))


def as_undisturbed(folder, whole):
    run = Run(folder / "run")
    for name in ("last", "best"):
        one, other = (load_checkpoint(getattr(each, name))["state_dict"] for each in (run, whole))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert run.metrics_file.read_text() == whole.metrics_file.read_text()
    tables = [each.path / "evaluation" / "phantom-test" / "cases.csv" for each in (run, whole)]
    assert tables[0].read_text() == tables[1].read_text()
    assert run.manifest()["status"] == "finished"
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["run"]


def test_usr1_on_two_nodes(slurm, whole, tmp_path):
    job = Job(slurm, tmp_path, [*NODES, "run_dir=run"])
    job.until_epoch(3)
    job.ask("scancel", "--signal=USR1", job.id)
    job.comes_back()
    assert job.said().count(f"error: stopped, state saved; SLURM runs job {job.id} again") == 1
    assert job.ends() == "COMPLETED"
    assert "going on from run/checkpoints/last.ckpt" in job.said()
    as_undisturbed(tmp_path, whole)


@pytest.mark.parametrize("grace", [20, 0])
def test_preemption_with_and_without_grace(slurm, whole, tmp_path, grace):
    words = [*NODES, "run_dir=run", *(["trainer.save_every_minutes=0"] if not grace else [])]
    job = Job(slurm, tmp_path, words)
    job.ask("scontrol", "update", "partitionname=low", f"gracetime={grace}")
    try:
        job.until_epoch(3)
        urgent = ["sbatch", "--parsable", "-p", "high", "-N2", "-n2", "-c4", "-o", "/dev/null", "--wrap", "sleep 1"]
        other = job.ask(*urgent).strip()
        job.comes_back()
        job.ask("scancel", other)
    finally:
        job.ask("scontrol", "update", "partitionname=low", "gracetime=20")
    assert job.ends() == "COMPLETED"
    as_undisturbed(tmp_path, whole)


@contextlib.contextmanager
def slowed(job):
    """Its ranks stand still for three quarters of the time."""
    ended = threading.Event()

    def hold():
        while not ended.is_set():
            for number, seconds in ((signal.SIGSTOP, 0.75), (signal.SIGCONT, 0.25)):
                for pid in job.ranks().values():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                time.sleep(seconds)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("announced", [True, False])
def test_the_time_limit(slurm, whole, tmp_path, announced):
    """It becomes a minute, the least there is, in the midst of training: all of that is less than the warning."""
    waits = "srun" if announced else '[ -n "$SLURM_RESTART_COUNT" ] || sleep 61; srun'
    job = Job(slurm, tmp_path, [*NODES, "run_dir=run"], ["--time=10", *["--signal=USR1@60"] * announced], waits)
    job.until_epoch(3)
    job.ask("scontrol", "update", f"jobid={job.id}", "TimeLimit=1")
    with slowed(job):  # or it would be done before SLURM looks
        job.until(lambda: job["Restarts"] != "0", "restart", 150)
    job.ask("scontrol", "update", f"jobid={job.id}", "TimeLimit=10")
    job.comes_back()
    assert job.ends() == "COMPLETED"
    as_undisturbed(tmp_path, whole)


def test_a_job_that_is_preempted_while_it_starts_comes_back(slurm, tmp_path):
    job = Job(slurm, tmp_path, [*NODES, "run_dir=run", "trainer.max_epochs=2"])
    job.until(lambda: len(job.ranks()) == 2, "two ranks")
    time.sleep(1.5)
    other = job.ask("sbatch", "--parsable", "-p", "high", "-N2", "-n2", "-c4", "-o", "/dev/null", "--wrap", "sleep 1")
    job.comes_back()
    job.ask("scancel", other.strip())
    assert job.ends() == "COMPLETED"


def test_a_job_that_is_cancelled_stays_away_and_saves(slurm, tmp_path):
    job = Job(slurm, tmp_path, [*NODES, "run_dir=run"])
    job.until_epoch(2)
    job.ask("scancel", job.id)
    assert job.ends() == "CANCELLED"
    assert job["Restarts"] == "0"
    assert "error: stopped, state saved; go on by: python train.py resume=run" in job.said()
    assert "exit code 143" in job.said()
    assert "exit code 0" not in job.said()


def test_a_term_to_one_rank_ends_both_with_143_and_no_requeue(slurm, tmp_path):
    job = Job(slurm, tmp_path, [*NODES, "run_dir=run"])
    job.until_epoch(2)
    os.kill(job.ranks()[1], signal.SIGTERM)
    assert job.ends() == "FAILED"
    assert job["ExitCode"] == "143:0"
    assert job["Restarts"] == "0"


@pytest.mark.parametrize("dies", [0, 1])
def test_a_rank_that_is_killed_ends_the_job_soon_with_one_line(slurm, whole, tmp_path, dies):
    job = Job(slurm, tmp_path, [*NODES, "run_dir=run"])
    job.until_epoch(2)
    ranks = job.ranks()
    os.kill(ranks[dies], signal.SIGKILL)
    assert job.ends(seconds=45) == "FAILED"
    lines = [line for line in job.said().splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"error: rank {dies} of 2 died")
    assert "Traceback" not in job.said()
    again = Job(slurm, tmp_path, ["resume=run"])
    assert again.ends() == "COMPLETED"
    as_undisturbed(tmp_path, whole)


def test_another_job_does_not_go_on_with_a_directory_that_exists(slurm, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "note").write_text("mine")
    job = Job(slurm, tmp_path, [*NODES, "run_dir=run"])
    assert job.ends() == "FAILED"
    errors = [line for line in job.said().splitlines() if line.startswith("error: ")]
    assert errors == ["error: run_dir=run: exists already; go on with it by resume=run, or choose another run_dir=..."]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["note"]


def test_without_srun_one_process_starts_its_ranks_itself(slurm, tmp_path):
    words = [*SMALL, "trainer.devices=2", "trainer.max_epochs=2", "run_dir=run"]
    job = Job(slurm, tmp_path, words, ["--nodes=1", "--ntasks-per-node=2"], srun="")
    assert job.ends() == "COMPLETED"


def test_ranks_that_the_config_does_not_expect_are_refused(slurm, tmp_path):
    job = Job(slurm, tmp_path, [*SMALL, "trainer.devices=2", "run_dir=run"])
    assert job.ends() == "FAILED"
    errors = [line for line in job.said().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "but srun started 2 processes on 2 nodes" in errors[0]
    assert not (tmp_path / "run").exists()
