"""How the learning rate moves: ``schedule(optimizer, steps=, steps_per_epoch=)`` -> what Lightning takes, or None."""

from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)

Config = dict[str, Any]


def cosine(optimizer: Optimizer, *, steps: int, steps_per_epoch: int, warmup: float, floor: float) -> Config:
    """Up linearly over the first ``warmup`` share of all steps, then down a half cosine to ``floor`` of the rate."""
    rising = min(round(warmup * steps), steps - 1)
    lr = optimizer.param_groups[0]["lr"]
    falling: LRScheduler = CosineAnnealingLR(optimizer, max(steps - rising, 1), eta_min=floor * lr)
    if rising > 0:
        linear = LinearLR(optimizer, 1 / (rising + 1), total_iters=rising)
        falling = SequentialLR(optimizer, [linear, falling], [rising])
    return {"scheduler": falling, "interval": "step"}


def plateau(  # noqa: PLR0913 - the keys of a YAML
    optimizer: Optimizer,
    *,
    steps: int,
    steps_per_epoch: int,
    monitor: str,
    factor: float,
    patience: int,
    mode: Literal["min", "max"] = "max",
) -> Config:
    """Times ``factor`` whenever ``monitor`` has not become better for more than ``patience`` epochs.

    ``mode`` says whether smaller or larger is better; the task knows it of what it measures.
    """
    scheduler = ReduceLROnPlateau(optimizer, mode=mode, factor=factor, patience=patience)
    return {"scheduler": scheduler, "interval": "epoch", "monitor": monitor}


def restarts(optimizer: Optimizer, *, steps: int, steps_per_epoch: int, epochs: int, longer: int) -> Config:
    """Cosines from the full rate to 0: the first over ``epochs`` epochs, each next one ``longer`` times as long."""
    scheduler = CosineAnnealingWarmRestarts(optimizer, epochs * steps_per_epoch, longer)
    return {"scheduler": scheduler, "interval": "step"}


def none(optimizer: Optimizer, *, steps: int, steps_per_epoch: int) -> None:
    """The rate stays."""
