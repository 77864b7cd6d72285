"""What only a GPU can show: uv run pytest tests/test_gpu.py -n 0"""

import pytest
import torch

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.evaluation.evaluate import evaluate
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.training.train import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")

SMALL = ["data.count=60", "data.pixels=64", "data.size=64", "trainer.max_epochs=8", "logger=none", "optim.lr=0.003"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(train_config([*SMALL, f"run_dir={tmp_path_factory.mktemp('gpu') / 'run'}"]))


def test_auto_takes_the_gpu_with_bf16_and_channels_last(run):
    trainer = run.config().trainer
    assert (trainer.accelerator, trainer.precision, trainer.channels_last) == ("gpu", "bf16-mixed", True)
    assert torch.cuda.get_device_name() in run.manifest()["device"]
    assert run.manifest()["peak_memory_mib"]["gpu"] > 1
    weights = load_checkpoint(run.best)["state_dict"]
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}


def test_a_cpu_judges_the_same_weights_as_the_gpu_did(run):
    scores = [
        evaluate(evaluate_config([f"run={run.path}", f"accelerator={where}"])).summary["results"]["model"]["lung"]
        for where in ("gpu", "cpu")
    ]
    assert scores[0]["dice"] > 0.7
    assert scores[0]["dice"] == pytest.approx(scores[1]["dice"], abs=5e-3)
