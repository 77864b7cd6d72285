"""The package on systems that are not here: what Linux alone has is taken away, and an Apple GPU is pretended."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lungseg.core import device
from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.core.rank_environment import RankEnvironment
from lungseg.tasks.build import resolved
from lungseg.training import trainer
from tests.helpers import ROOT

UNIX = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty")
WITHOUT = """
import importlib, os, pkgutil, signal, sys
import albumentations, cmaes, hydra, matplotlib.figure, nibabel, openpyxl, optuna, pydicom, pytorch_lightning, pydantic
import scipy.stats, segmentation_models_pytorch, sqlalchemy, timm, torch, torchmetrics, torchvision, wandb
import multiprocessing.connection, multiprocessing.spawn, multiprocessing.resource_tracker, torch.distributed
"""
CODE = """
signals, wait = dict(vars(signal)), os.WNOHANG
for name in {unix!r}:
    sys.modules[name] = None
for name in ("fork", "killpg", "getuid", "geteuid", "sched_getaffinity", "fchmod", "register_at_fork",
             "O_NOFOLLOW", "O_CLOEXEC", "O_DIRECTORY", "mkfifo", "setsid", "getpgid", "WNOHANG", "uname", "sysconf"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGBUS", "SIGCHLD", "SIGALRM", "pthread_sigmask"):
    delattr(signal, name)
import lungseg
for module in pkgutil.walk_packages(lungseg.__path__, "lungseg."):
    if not module.name.endswith(".rank_process") and module.name != "lungseg.sweep.executors.ray":
        importlib.import_module(module.name)
from lungseg.core import locks
assert locks.fcntl is None and locks.msvcrt is None
vars(signal).update(signals)  # which subprocess and Lightning need on this system
os.WNOHANG = wait
run = lungseg.train([{words}, "run_dir=run"])
assert (run / "evaluation" / "phantom-test" / "cases.csv").is_file()
"""


def test_it_imports_and_trains_without_what_windows_lacks(tmp_path):
    words = ["task=lung", "data.count=24", "data.pixels=48", "data.size=32", "data.batch_size=4", "data.workers=0"]
    words += ["trainer=cpu", "trainer.max_epochs=1", "logger=none", "model=unet_classic", "model.width=4"]
    code = WITHOUT + CODE.format(unix=UNIX, words=", ".join(map(repr, [*words, "model.depth=2"])))
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]


def test_no_module_but_one_needs_what_unix_alone_has_when_it_is_imported():
    for path in (ROOT / "lungseg").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not set(names) & set(UNIX), path


def test_a_sweep_says_where_it_does_not_run(tmp_path, monkeypatch, capsys):
    from lungseg.cli import main, sweep

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "os", type("Windows", (), {"name": "nt"}))
    with pytest.raises(SystemExit) as ended:
        main.main(["sweep", str(ROOT / "sweeps" / "losses.yaml"), "size=small"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: lungseg sweep: needs Linux or macOS; on Windows run it in WSL")
    assert list(tmp_path.iterdir()) == []


def test_auto_takes_an_apple_gpu_with_what_it_can_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    chosen = resolved(train_config(["trainer=auto"])).trainer
    assert (chosen.accelerator, chosen.devices, chosen.precision) == ("mps", 1, "32-true")
    assert chosen.channels_last is False
    assert device.device(chosen.accelerator) == torch.device("mps")
    assert device.widest(torch.device("mps")) == torch.float32
    assert device.device_name(chosen.accelerator) == "Apple GPU (MPS)"
    assert resolved(train_config(["trainer=cpu"])).trainer.accelerator == "cpu"
    with pytest.raises(UserError, match="not supported on an Apple GPU; expected 1"):
        trainer.place_of(replace(chosen, devices=2), RankEnvironment())
    with pytest.raises(UserError, match=r"not supported on Apple GPUs; use trainer\.precision=32-true"):
        trainer.build(replace(chosen, precision="bf16-mixed"), Path(), [], [], trainer.Ranks())


def test_an_apple_gpu_that_is_not_here_is_said():
    with pytest.raises(UserError, match=r"trainer\.accelerator=mps: torch finds no GPU of an Apple chip here"):
        resolved(train_config(["trainer.accelerator=mps"]))
