"""The programs as a user starts them: exit codes, what is printed, what survives a kill."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
import torch

from lungseg.core.config.command_line import train_config
from lungseg.core.run_directory import Run
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.training.train import train
from tests.helpers import ROOT, run_program, run_warm

SMALL = ["experiment=quick", "data.pixels=32", "data.size=32", "model=unet_classic", "model.width=4", "model.depth=2"]
SMALL += ["trainer=cpu", "logger=none", "optim.lr=0.01"]


def start(*words, cwd):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(path, process, seconds=90):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def weights(run):
    return load_checkpoint(run.last)["state_dict"]


def steps(run):
    """Of metrics.csv, what was measured within epochs."""
    rows = csv.DictReader(run.metrics_file.open())
    return [(row["epoch"], row["step"], row["train/loss"]) for row in rows if row["train/loss"]]


def equal(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_train_prints_a_table_and_paths_that_the_next_command_takes(tmp_path):
    result = run_program("train.py", *SMALL, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any(re.match(r"epoch 2/2  loss [\d.]+  val loss [\d.]+  val Dice [\d.]+", line) for line in lines)
    header = next(line for line in lines if "Dice [95% CI]" in line)
    assert all(word in header for word in ("IoU [95% CI]", "precision", "recall"))
    for row in ("model", "mean mask", "all background"):
        assert any(line.strip().startswith(row) for line in lines)
    paths = dict(line.split(maxsplit=1) for line in lines if line.startswith(("run  ", "cases  ", "overlays  ")))
    assert (tmp_path / paths["overlays"]).read_bytes()[:4] == b"\x89PNG"
    assert "=" not in paths["run"]
    again = run_warm("evaluate.py", *shlex.split(f"run={paths['run']} split=val"), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "val of phantom" in again.stdout


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_a_run_killed_in_mid_epoch_goes_on_to_the_same_bits(tmp_path, workers):
    words = [*SMALL, f"data.workers={workers}", "trainer.max_epochs=4", "trainer.save_every_minutes=0"]
    whole = train(train_config([*words, f"run_dir={tmp_path / 'whole'}"]))
    process = start(*words, "run_dir=cut", "trainer.max_epochs=4", cwd=tmp_path)
    run = Run(tmp_path / "cut")
    wait_for(run.overlays / "epoch-002.png", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert run.manifest()["status"] == "running"
    result = run_warm("train.py", "resume=cut", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "going on from cut/checkpoints/last.ckpt" in result.stdout
    assert equal(weights(run), weights(whole))
    assert steps(run) == steps(whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_says_how_to_resume_and_is_no_success(tmp_path, number, code):
    process = start(*SMALL, "trainer.max_epochs=500", "run_dir=cut", "data.workers=1", cwd=tmp_path)
    wait_for(tmp_path / "cut" / "overlays" / "epoch-001.png", process)
    os.killpg(process.pid, number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code, out
    assert out.splitlines()[-1] == "error: stopped, state saved; go on by: python train.py resume=cut"
    assert "Traceback" not in out
    assert load_checkpoint(tmp_path / "cut" / "checkpoints" / "last.ckpt")["global_step"] > 0


def test_three_times_ctrl_c_is_130_with_a_last_line(tmp_path):
    process = start(*SMALL, "trainer.max_epochs=500", "run_dir=cut", "data.workers=1", cwd=tmp_path)
    wait_for(tmp_path / "cut" / "overlays" / "epoch-001.png", process)
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.03)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert re.fullmatch(r"error: stopped.*; .* by: python train\.py resume=cut", out.splitlines()[-1])
    assert "Traceback" not in out
    assert Run(tmp_path / "cut").manifest()["status"] == "stopped"


def test_a_grid_runs_each_combination_and_reports_what_failed(tmp_path):
    result = run_warm(
        "train.py", "-m", *SMALL[:3], "trainer=cpu", "logger=none", "model=unet_classic",
        "model.width=4", "model.depth=1,2", "data.batch_size=4,0", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 3
    assert len([path for path in (tmp_path / "runs").iterdir() if path.is_dir()]) == 2
    assert "== run 3 of the grid: " in result.stdout
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors[:2] == ["error: data.batch_size=0: expected a whole number from 1 to 10000, for example 8"] * 2
    assert errors[2].startswith("error: 2 of the runs failed, as said above: ")
    assert errors[2].count("data.batch_size=0") == 2


def test_two_ranks_count_each_case_once_and_agree_with_one(tmp_path):
    words = ["trainer=ddp", "trainer.accelerator=cpu", "data.count=39", "data.limit=null", "run_dir=ddp"]
    result = run_program("train.py", *[word for word in SMALL if not word.startswith("trainer=")], *words, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(list(tmp_path.iterdir())) == 1
    run = Run(tmp_path / "ddp")
    assert run.manifest()["cases"]["val"] % 2 == 1  # an even share would hide a sample counted twice
    rows = list(csv.DictReader(run.metrics_file.open()))
    scores = [float(row["val/dice"]) for row in rows if row.get("val/dice")]
    again = run_warm("evaluate.py", "run=ddp", "split=val", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    summary = json.loads((run.path / "evaluation" / "phantom-val" / "summary.json").read_text())
    one_rank = summary["results"]["model"]["lung"]["dice"]
    assert torch.tensor(max(scores)) == torch.tensor(one_rank, dtype=torch.float32)
    test = (run.path / "evaluation" / "phantom-test" / "cases.csv").read_text()
    assert run_warm("evaluate.py", "run=ddp", cwd=tmp_path).returncode == 0
    assert (run.path / "evaluation" / "phantom-test" / "cases.csv").read_text() == test


def test_pretrained_without_network_fails_at_once_and_says_how_to_place_the_weights(tmp_path):
    env = {"HF_HOME": str(tmp_path / "hub"), "TORCH_HOME": str(tmp_path / "torch"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    started = time.monotonic()
    result = run_program("train.py", "model=deeplabv3", "pretrained=true", "task=infection", cwd=tmp_path, env=env)
    assert time.monotonic() - started < 6  # under 3 on a calm machine
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    for part in ("resnet18", "HF_HOME", "model.weights="):
        assert part in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=folder", "data.root=nowhere"], "error: data.root=nowhere: no such folder"),
        (["resume=nowhere"], "error: resume=nowhere: no such directory"),
        (["task=infection", "data=folder", "data.root=xrays"], "has no infection mask, which this task needs"),
        (["data=folder", "data.root=xrays", "data.workers=2", "data.pack=false", *SMALL[3:6]], "cannot be decoded"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(tmp_path, folder_data, words, message):
    if "infection" in " ".join(words):
        for mask in (folder_data / "infection_masks").iterdir():
            mask.unlink()
    broken = folder_data / "images" / "p00.png"
    broken.write_bytes(broken.read_bytes()[:200])
    result = run_warm("train.py", *SMALL[:1], "data.size=32", *words, cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert message in result.stderr.splitlines()[-1], result.stderr
    assert "Traceback" not in result.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"xrays", "runs"}
