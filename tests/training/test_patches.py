"""A whole small run on 3-D patches: trained, judged as volumes, gone on with to the bit."""

import csv
import json

import pytest
import torch

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.evaluation.evaluate import evaluate
from lungseg.training.train import train
from tests.training.test_volumes import root, stopped_and_resumed  # noqa: F401

SMALL = ["data=covid19_ct", "data.view=patches", "data.patch=[4,24,24]", "data.workers=0", "data.batch_size=4",
         "data.val=0.25", "data.test=0.25", "model=unet3d", "model.width=4", "model.depth=2", "trainer=cpu",
         "trainer.max_epochs=6", "logger=none", "augment=ct", "optim.lr=0.01", "data.spacing=auto"]  # fmt: skip


def words_of(root, path, *more):  # noqa: F811
    return [*SMALL, f"data.root={root}", f"run_dir={path}", *more]


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):  # noqa: F811
    return train(train_config(words_of(root, tmp_path_factory.mktemp("run") / "run", "task=lung")))


def test_a_3d_net_learns_the_lungs_and_what_was_measured_is_kept(run):
    summary = json.loads((run.path / "evaluation" / "covid19_ct-test" / "summary.json").read_text())
    assert summary["unit"] == "mm"
    assert summary["results"]["model"]["lung"]["dice"] > 0.8
    config = run.config()
    assert config.data.preprocessing.spacing == (5.0, 2.0, 2.0)
    assert config.model.net.options["strides"] == [[1, 2, 2], [1, 2, 2]]


def test_validation_counts_whole_volumes(run):
    logged = [float(row["val/dice"]) for row in csv.DictReader(run.metrics_file.open()) if row["val/dice"]]
    judged = evaluate(evaluate_config([f"run={run.path}", "split=val"]))
    assert len(judged.rows) == 2
    assert judged.summary["results"]["model"]["lung"]["dice"] == pytest.approx(max(logged), abs=0.08)


def test_a_run_that_was_stopped_within_an_epoch_goes_on_to_the_same_bits(run, root, tmp_path, monkeypatch):  # noqa: F811
    path = tmp_path / "run"
    resumed = stopped_and_resumed(words_of(root, path, "task=lung"), path, monkeypatch, batch=11)
    whole, again = (torch.load(each.last, weights_only=True)["state_dict"] for each in (run, resumed))
    assert all(torch.equal(value, again[name]) for name, value in whole.items())
