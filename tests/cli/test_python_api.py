"""Several runs in one process, as in a notebook: each as it would be alone, and the process as it was before."""

import asyncio
import json
import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

import lungseg
from lungseg.cli import python_api
from lungseg.core.config.compose import CONF
from lungseg.core.errors import UsageError, UserError
from lungseg.core.run_directory import Run
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.tasks.segmentation.module import SegmentationModule
from tests.helpers import ROOT, run_warm

SMALL = ["task=lung", "data.count=24", "data.pixels=48", "data.size=32", "data.batch_size=4", "data.workers=0"]
SMALL += ["model.width=4", "model.depth=2", "trainer=cpu", "trainer.max_epochs=1", "logger=none"]
CLASSIC = [*SMALL, "model=unet_classic"]
OTHER = ["task=infection", "data.count=40", "data.pixels=48", "data.size=64", "data.batch_size=2", "data.workers=0"]
OTHER += [
    "model=unet_classic",
    "model.width=6",
    "model.depth=3",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "logger=none",
    "loss=dice",
]
OTHER += ["+trainer.deterministic=true"]


@pytest.fixture(autouse=True)
def _in_a_notebook(monkeypatch, tmp_path_factory):
    """The command line of a kernel, and a folder that belongs to nobody else."""
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    monkeypatch.chdir(tmp_path_factory.mktemp("notebook"))


def weights(run):
    return load_checkpoint(Run(run).best)["state_dict"]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The same run, and another, each by a process of its own."""
    place = tmp_path_factory.mktemp("fresh")
    for name, words in (("classic", CLASSIC), ("other", OTHER)):
        done = run_warm("train.py", *words, f"run_dir={name}", cwd=place)
        assert done.returncode == 0, done.stderr
    return place


def test_runs_of_one_process_are_those_of_processes_of_their_own(fresh):
    first = lungseg.train([*CLASSIC, "run_dir=first"])
    other = lungseg.train([*OTHER, "run_dir=other"])
    again = lungseg.train([*CLASSIC, "run_dir=again"])
    assert equal(weights(first), weights(again))
    assert equal(weights(first), weights(fresh / "classic"))
    assert equal(weights(other), weights(fresh / "other"))
    table = "evaluation/phantom-test/cases.csv"
    assert (first / table).read_text() == (again / table).read_text() == (fresh / "classic" / table).read_text()
    command = f"python train.py {' '.join(CLASSIC)} run_dir=again"
    assert Run(again).manifest()["command"] == command
    for run in (first, other, again):
        assert Run(run).manifest()["status"] == "finished"
        said = (run / "train.log").read_text()
        assert said.count("run directory") == 1  # of this run, and once


def state_of_the_process():
    log = logging.getLogger("lungseg")
    return {
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)],
        "environment": dict(os.environ),
        "argv": list(sys.argv),
        "hydra": GlobalHydra.instance().hydra,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "random": (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),
        "handlers": len(log.handlers),
        "group": torch.distributed.is_initialized(),
        "threads": torch.get_num_threads(),
    }


def test_the_process_is_afterwards_as_it_was(fresh):
    lungseg.train([*CLASSIC, "run_dir=before"])  # what the libraries set once, when they are imported
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        before = state_of_the_process()
        run = lungseg.train([*CLASSIC, "+trainer.deterministic=true", "run_dir=run"])
        folder = lungseg.evaluate([f"run={run}", "split=val"])
        with pytest.raises(UserError):
            lungseg.train([*CLASSIC, "optim.lr=-1"])
        assert state_of_the_process() == before
    assert folder == run / "evaluation" / "phantom-val"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["command"] == f"python evaluate.py run={run} split=val"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["optim.lr=-1"], r"optim\.lr=-1: expected"),
        (["model=unett"], r"model=unett: no such option .*; did you mean unet\?"),
        (["nonsense=1"], "nonsense: no such key or group"),
        (["seed=0,1"], "seed=0,1: several values"),
        (["-m"], "-m: expected KEY=VALUE"),
        (["trainer.devices=2"], r"trainer\.devices=2: lungseg\.train trains in its own process alone"),
        ("task=lung", "task=lung: expected a list of words"),
    ],
)
def test_an_error_is_one_that_can_be_caught_and_nothing_is_begun(words, said, tmp_path):
    with pytest.raises(UserError, match=f"^{said}"):
        lungseg.train(words if isinstance(words, str) else [*CLASSIC, *words])
    assert not os.path.exists("runs")
    with pytest.raises(UsageError, match=r"^data\.root: a value is needed; add data\.root=\.\.\."):
        lungseg.train(["data=folder"])
    with pytest.raises(UsageError, match=r"^run: a value is needed"):
        lungseg.evaluate([])


def test_after_an_error_in_the_midst_of_training_the_next_run_is_as_ever(fresh, monkeypatch):
    held = []

    def failing(self, batch, batch_idx):
        held.append(threading.local())
        raise UserError("the loss became nan at step 3") if len(held) == 1 else RuntimeError("a bug")

    for error in (UserError, RuntimeError):
        with monkeypatch.context() as patch:
            patch.setattr(SegmentationModule, "training_step", failing)
            with pytest.raises(error):
                lungseg.train([*CLASSIC, "data.workers=1", f"run_dir={error.__name__}"])
        assert Run(Path(error.__name__)).manifest()["status"] == "failed"
    assert equal(weights(lungseg.train([*CLASSIC, "run_dir=run"])), weights(fresh / "classic"))


def test_an_error_that_a_notebook_keeps_holds_no_loading_process(monkeypatch):
    monkeypatch.setattr(SegmentationModule, "validation_step", lambda *_: (_ for _ in ()).throw(UserError("bad")))
    before = {process.pid for process in multiprocessing.active_children()}
    with pytest.raises(UserError, match="bad") as kept:
        lungseg.train([*CLASSIC, "data.workers=1", "run_dir=run"])
    assert kept.value.__traceback__ is not None
    assert {process.pid for process in multiprocessing.active_children()} == before


def in_a_thread(call):
    found = []

    def work():
        try:
            found.append(call())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_and_a_running_event_loop_are_no_hindrance(fresh):
    run = in_a_thread(lambda: lungseg.train([*CLASSIC, "run_dir=in_a_thread"]))
    assert equal(weights(run), weights(fresh / "classic"))

    async def cell():
        return lungseg.train([*CLASSIC, "run_dir=in_a_loop"])

    assert equal(weights(asyncio.run(cell())), weights(fresh / "classic"))
    assert isinstance(in_a_thread(lambda: lungseg.train([*CLASSIC, "optim.lr=-1"])), UserError)


def test_two_at_once_are_refused():
    with python_api._ONE_AT_A_TIME, pytest.raises(UserError, match=r"^lungseg\.train: another run of this process"):
        lungseg.train(CLASSIC)


def test_a_run_that_was_interrupted_goes_on(fresh, monkeypatch):
    original, steps = SegmentationModule.training_step, []

    def interrupt(self, batch, batch_idx):
        steps.append(batch_idx)
        if len(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", interrupt)
        with pytest.raises(UserError, match="go on"):
            lungseg.train([*CLASSIC, "run_dir=run"])
    assert equal(weights(lungseg.train(["resume=run"])), weights(fresh / "classic"))


def test_import_alone_brings_nothing_heavy():
    code = (
        "import sys, lungseg; print([name for name in ('torch', 'hydra', 'numpy', 'omegaconf') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"
