import pytest
import torch
from torch import nn

from lungseg.core.config.command_line import train_config
from lungseg.core.config.trainer_config import TrainerConfig
from lungseg.core.run_directory import Run
from lungseg.training import trainer
from lungseg.training.train import train

SMALL = ["data.count=24", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "logger=none"]
SMALL += ["model=unet_classic", "model.width=2", "model.depth=1", "trainer=cpu", "trainer.max_epochs=1"]


def test_a_fused_optimizer_trains_in_bf16_with_clipped_gradients(tmp_path):
    words = ["trainer.precision=bf16-mixed", "+optim.fused=true", "trainer.gradient_clip_val=1.0"]
    run = train(train_config([*SMALL, *words, f"run_dir={tmp_path / 'run'}"]))
    assert run.manifest()["status"] == "finished"
    config = Run(tmp_path / "run").config()
    assert (config.trainer.precision, config.optim.options["fused"]) == ("bf16-mixed", True)


@pytest.mark.parametrize("fused", [True, False])
def test_gradients_are_clipped_and_computed_in_bfloat16(tmp_path, fused):
    config = TrainerConfig(1, "cpu", 1, "bf16-mixed", channels_last=False, save_every_minutes=10, gradient_clip_val=1.0)
    built = trainer.build(config, tmp_path, [], [], trainer.Ranks())
    layer = nn.Linear(4, 1)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=fused)
    layer.weight.grad = torch.full_like(layer.weight, 100.0)
    layer.bias.grad = torch.zeros_like(layer.bias)
    with built.precision_plugin.forward_context():
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    built.precision_plugin.connect(layer, [optimizer], [])
    built.precision_plugin.clip_gradients(optimizer, 1.0)
    assert layer.weight.grad.norm() == pytest.approx(1.0, abs=1e-4)
