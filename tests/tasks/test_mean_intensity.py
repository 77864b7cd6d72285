"""A task that segments nothing, added by this file and one YAML: it trains, resumes, is judged, compared and swept."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics import MeanAbsoluteError, MetricCollection

from lungseg.core.prediction import Prediction
from lungseg.data.preprocessing import IMAGENET
from lungseg.tasks.base import Score, Task
from lungseg.tasks.columns import Column
from lungseg.tasks.module import TaskModule
from lungseg.tasks.regions import Regions
from tests.helpers import ROOT

STOP = "LUNGSEG_TOY_STOPS_AT"  # the step in which a scheduler ends it
TRUST = "trust=tests.tasks.test_mean_intensity"
CONF = Path(__file__).parent / "conf"
OVERRIDES = ["model=unet_classic", "model.width=4", "model.depth=2", "data.size=32", "data.count=48",
             "data.pixels=64", "data.workers=0", "data.batch_size=8", "trainer=cpu", "logger=none"]  # fmt: skip


class MeanIntensity(Task):
    """Predicts the mean intensity of an image, scored by its absolute error."""

    def __init__(self, name: str, regions: list[str] | None = None, lesions: dict[str, str] | None = None):
        super().__init__(name, Regions(()))

    @property
    def parts(self):
        return ("intensity",)

    def measured(self):
        return {"absolute_error": False, "loss": False}

    def columns(self, scoring):
        return [
            Column(
                "absolute_error", "Absolute error", higher=False, digits=4, board=True, printed="absolute error",
                role="headline", pictured=True,
            )
        ]  # fmt: skip

    def build_module(self, parts):
        return IntensityModule(parts)

    def decode(self, output, loaded, how):
        mean, deviation = IMAGENET
        none = np.zeros((0, *loaded.image.shape), np.float32)
        return Prediction(loaded.case.id, none, {"intensity": float(output) * deviation + mean})

    def score_case(self, prediction, loaded, scoring):
        error = abs(prediction.classes["intensity"] - float(loaded.image.mean()) / 255)
        return Score(loaded.case, [{"absolute_error": error}], loaded.image.size)


class IntensityModule(TaskModule):
    def __init__(self, parts):
        super().__init__(parts)
        self.measure = MetricCollection({"absolute_error": MeanAbsoluteError(), "loss": MeanAbsoluteError()})

    def forward(self, image):
        return self.outputs(image).mean((1, 2, 3))

    def loss_of(self, batch):
        if os.environ.get(STOP) == str(self.global_step):
            os.kill(os.getpid(), signal.SIGTERM)
        return (self(batch["image"]) - batch["image"].mean((1, 2, 3))).abs().mean()

    def validation_step(self, batch, batch_idx):
        self.measure.update(self(batch["image"]), batch["image"].mean((1, 2, 3)))


def program(*words, code=0):
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


def train(run, epochs=3, code=0, **more):
    keys = [f"trainer.max_epochs={epochs}", f"run_dir={run}", *(f"{key}={value}" for key, value in more.items())]
    return program("train.py", "--config-dir", CONF, "task=mean_intensity", *OVERRIDES, *keys, code=code)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "run"
    said = train(folder)
    assert "val Absolute error" in said
    assert "Absolute error 0." in said
    return folder


def test_it_trains_and_is_judged_by_its_own_score(run):
    rows = list(csv.DictReader((run / "evaluation" / "phantom-test" / "cases.csv").open()))
    errors = [float(row["intensity_absolute_error"]) for row in rows]
    summary = json.loads((run / "evaluation" / "phantom-test" / "summary.json").read_text())
    found = summary["results"]["model"]["intensity"]
    assert found["absolute_error"] == pytest.approx(np.mean(errors), abs=1e-6)
    assert found["absolute_error_low"] < found["absolute_error"] < found["absolute_error_high"]
    assert list(summary["results"]) == ["model"]
    for name in ("curves.png", "overlays/epoch-001.png", "evaluation/phantom-test/worst.png"):
        assert (run / name).stat().st_size > 1000


def test_the_weights_with_the_smallest_error_are_kept(run):
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    errors = [float(row["val/absolute_error"]) for row in rows if row["val/absolute_error"]]
    assert json.loads((run / "manifest.json").read_text())["best_epoch"] == int(np.argmin(errors)) + 1


def test_it_resumes_to_the_bit(run, tmp_path, monkeypatch):
    monkeypatch.setenv(STOP, "6")
    train(tmp_path / "run", code=128 + signal.SIGTERM)
    monkeypatch.delenv(STOP)
    program("train.py", f"resume={tmp_path / 'run'}", TRUST)
    whole, resumed = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (run, tmp_path / "run")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_it_is_judged_again_and_refuses_what_is_about_regions(run):
    judged = ["evaluate.py", f"run={run}", TRUST]
    assert "ensemble" not in program(*judged, "tta=flip")
    said = program(*judged, "ask=gate", code=1)
    assert "ask=gate: is about regions, which this run does not predict" in said
    assert "legacy=true: no definitions that flatter" in program(*judged, "legacy=true", code=1)


def test_runs_are_compared_on_a_page(run, tmp_path):
    train(tmp_path / "other", epochs=1, seed=1)
    said = program("-m", "lungseg.cli.main", "compare", run, tmp_path / "other", f"out={tmp_path / 'page'}")
    assert "Absolute error" in said
    page = next((tmp_path / "page").rglob("*.html")).read_text()
    assert "absolute_error" in page


def test_it_is_swept(tmp_path):
    study = tmp_path / "toy.yaml"
    base = {**dict(one.split("=") for one in OVERRIDES), "trainer.max_epochs": 1, "monitor": "val/absolute_error"}
    base |= {"task._target_": "tests.tasks.test_mean_intensity.MeanIntensity", "task.name": "mean_intensity"}
    objective = {"name": "val/absolute_error", "direction": "minimize"}
    content = {"base": base, "grid": {"optim.lr": [0.001, 0.01]}, "objective": objective}
    study.write_text(json.dumps(content))
    program("-m", "lungseg.cli.main", "sweep", study, TRUST, f"out={tmp_path / 'studies'}")
    runs = sorted((tmp_path / "studies").rglob("summary.json"))
    assert len(runs) == 2
