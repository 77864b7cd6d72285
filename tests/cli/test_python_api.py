"""Two trainings in one process, as in a notebook: nothing of the first is left for the second."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

import lungseg
from lungseg.core.errors import UsageError, UserError
from lungseg.core.run_directory import Run
from tests.helpers import ROOT

TINY = ["task=lung", "data.count=24", "data.pixels=48", "data.size=32", "data.batch_size=4", "data.workers=0"]
TINY += ["trainer=cpu", "trainer.max_epochs=1", "logger=none", "model=unet_classic", "model.width=4", "model.depth=2"]


def weights(run):
    return torch.load(Run(run).best, weights_only=True)["state_dict"]


def same(one, other):
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "/secret/kernel.json"])


def test_the_second_training_is_as_if_it_were_the_first(tmp_path):
    state = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), dict(os.environ), list(sys.argv))
    first = lungseg.train(*TINY, "run_dir=first")
    other = lungseg.train(*TINY, "model.width=6", "data.size=64", "optim=sgd", "run_dir=other")
    again = lungseg.train(*TINY, "run_dir=again")
    assert same(first, again)
    assert weights(first).keys() == weights(other).keys()
    assert not same(first, other)
    assert Run(first).manifest()["command"] == f"python train.py {' '.join(TINY)} run_dir=first"
    ended = subprocess.run([sys.executable, ROOT / "train.py", *TINY, "run_dir=alone"], cwd=tmp_path, check=False)
    assert ended.returncode == 0
    assert same(first, tmp_path / "alone")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == state[:2]
    assert {key: value for key, value in os.environ.items() if state[2].get(key) != value} == {}
    assert sys.argv == state[3]
    judged = lungseg.evaluate("run=first", "split=val")
    assert (judged / "cases.csv").is_file()
    assert judged.parent.parent.name == "first"


def test_after_an_error_the_next_one_works():
    for words, kind, said in (
        ([*TINY, "modle=unet"], UsageError, "modle: no such key or group"),
        (["data=folder"], UsageError, r"data\.root: a value is needed"),
        (["data=folder", "data.root=nowhere"], UserError, "nowhere"),
        ([*TINY, "data.batch_size=0"], UserError, r"data\.batch_size=0: expected"),
    ):
        with pytest.raises(kind, match=said):
            lungseg.train(*words, "run_dir=a")
        assert not os.path.exists("a")
    with pytest.raises(UserError, match="run=nowhere: no such directory"):
        lungseg.evaluate("run=nowhere")
    assert Run(lungseg.train(*TINY, "run_dir=a")).manifest()["status"] == "finished"


def test_it_works_beside_a_running_event_loop_and_in_a_thread(tmp_path):
    runs = []

    async def cell():
        runs.append(lungseg.train(*TINY, "run_dir=in_loop"))

    asyncio.run(cell())
    thread = threading.Thread(target=lambda: runs.append(lungseg.train(*TINY, "run_dir=in_thread")))
    thread.start()
    thread.join()
    assert len(runs) == 2
    assert same(*runs)


def test_the_package_itself_is_quick_to_import():
    code = "import lungseg, sys; print(lungseg.__version__, {'torch', 'hydra', 'numpy'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout
    assert said == f"{lungseg.__version__} set()\n"
