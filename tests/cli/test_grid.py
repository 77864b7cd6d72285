"""A sample of task x model x arm trains one step, as composed by its sentence."""

import pytest
import torch

from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import options
from lungseg.data.build import build_cases
from lungseg.data.splits import split_cases
from lungseg.tasks.build import build_data, build_module, resolved

TASKS = options("task")
SAMPLE = [(model, TASKS[n % 3], n % 2 == 1) for n, model in enumerate(options("model"))]
SMALL = ["data.count=36", "data.pixels=64", "data.size=64", "data.batch_size=2", "data.workers=0", "trainer=cpu"]

OWN = {
    "unet_classic": ["model.width=8"],
    "unet3d": ["data=phantom_ct", "data.view=patches", "data.patch=[8,32,32]", "data.count=12", "data.slices=16",
               "model.width=4", "model.depth=2"],
}  # fmt: skip


@pytest.mark.parametrize(("model", "task", "frozen"), SAMPLE, ids=lambda value: str(value))
def test_one_step_lowers_the_loss_of_its_batch(model, task, frozen):
    words = [f"model={model}", f"task={task}", f"freeze_encoder={str(frozen).lower()}", *SMALL]
    cfg = resolved(train_config([*words, *OWN.get(model, [])]))
    cases = build_cases(cfg.data.source)
    data = build_data(cfg, split_cases(cases, val=0.3, test=0.3, seed=1), show=False)
    module = build_module(cfg).train()
    encoder = {name: value.clone() for name, value in module.net.encoder.state_dict().items()}
    batch = next(iter(data.train_dataloader()))
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(2):
        loss = module.loss(module.net(batch["image"]), batch["mask"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[1] < losses[0]
    still = all(torch.equal(value, encoder[name]) for name, value in module.net.encoder.state_dict().items())
    assert still == frozen
