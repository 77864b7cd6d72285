"""Trains a net: what every task's LightningModule does alike."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection

from lungseg.core.errors import UserError
from lungseg.data.datamodule import batches_done
from lungseg.data.dataset import Sample

if TYPE_CHECKING:
    from lungseg.tasks.base import Task

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeSchedule = Callable[..., dict[str, Any] | None]


@dataclass(frozen=True)
class ModuleParts:
    """Holds what the config names, built, for the module of a task."""

    net: nn.Module
    loss: Any
    optimizer: MakeOptimizer
    schedule: MakeSchedule
    seed: int = 0
    channels_last: bool = False


class TaskModule(pl.LightningModule, ABC):
    """Holds the net, its loss and how it is optimised; called with images [B, C, ...], it returns what is decoded.

    ``measure`` collects the numbers of the validation cases, named as ``Task.measured`` does.
    """

    task: "Task"
    measure: Metric | MetricCollection

    def __init__(self, parts: ModuleParts) -> None:
        super().__init__()
        net = parts.net
        volumes = any(weight.dim() == 5 for weight in net.parameters())
        self.layout = torch.channels_last_3d if volumes else torch.channels_last
        self.net = net.to(memory_format=self.layout) if parts.channels_last else net
        self.loss = parts.loss
        self._optimizer, self._schedule = parts.optimizer, parts.schedule
        self.seed, self.channels_last = parts.seed, parts.channels_last

    def outputs(self, image: Tensor) -> Tensor:
        """Returns what the net makes of images, before anything is decoded."""
        if self.channels_last:
            image = image.contiguous(memory_format=self.layout)
        outputs: Tensor = self.net(image)
        return outputs

    @abstractmethod
    def loss_of(self, batch: Sample) -> Tensor:
        """Returns the loss of a batch."""

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Returns what ``Task.decode`` takes, for each image of a batch."""

    @abstractmethod
    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Updates ``measure``."""

    def on_train_batch_start(self, batch: Sample, batch_idx: int) -> None:
        """Dropout and its like draw from (seed, step, rank): a resumed run draws what the whole one would have."""
        step = batches_done(self.trainer)
        torch.manual_seed((self.seed * 1_000_003 + step) * 1_009 + self.global_rank)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        loss = self.loss_of(batch)
        self.require_finite(loss, "train")
        self.log("train/loss", loss, prog_bar=True)
        self.log("lr", float(self.trainer.optimizers[0].param_groups[0]["lr"]))
        return loss

    def on_validation_epoch_end(self) -> None:
        for name, value in self.measure.compute().items():
            self.log(f"val/{name}", value.to(torch.float32), prog_bar=name == self.task.headline.name)
        self.measure.reset()

    def require_finite(self, loss: Tensor, stage: str) -> None:
        if not torch.isfinite(loss):
            raise UserError(
                f"the {stage} loss became {loss.item()} at step {self.global_step} (epoch {self.current_epoch}); "
                "the weights of the epochs before it are kept: try a smaller optim.lr=, trainer.gradient_clip_val=0.5 "
                "or trainer.precision=32-true"
            )

    def configure_optimizers(self) -> Any:
        """Only what may change is optimised; schedules count optimizer steps."""
        optimizer = self._optimizer([parameter for parameter in self.parameters() if parameter.requires_grad])
        # not the trainer's estimate: it makes the loaders before it is known where a resumed run stands
        batches = getattr(self.trainer, "datamodule").batches_per_epoch()  # noqa: B009
        per_epoch = math.ceil(batches / self.trainer.accumulate_grad_batches)
        epochs = self.trainer.max_epochs or -1
        steps = per_epoch * epochs if epochs > 0 else self.trainer.max_steps
        schedule = self._schedule(optimizer, steps=steps, steps_per_epoch=per_epoch)
        return optimizer if schedule is None else {"optimizer": optimizer, "lr_scheduler": schedule}
