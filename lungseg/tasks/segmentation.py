"""What is optimised and what is measured: one step, shared by training and validation."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lungseg.core.errors import UserError
from lungseg.data.datamodule import batches_done
from lungseg.data.dataset import Sample
from lungseg.tasks.losses.segmentation import RegionLoss
from lungseg.tasks.running_overlap import CaseOverlap

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeSchedule = Callable[..., dict[str, Any] | None]


class SegmentationModule(pl.LightningModule):
    """``net`` maps image [B, 1, H, W] to logits [B, K, H, W]; ``loss`` says how logits become probabilities."""

    def __init__(
        self,
        net: nn.Module,
        loss: RegionLoss,
        regions: list[str],
        optimizer: MakeOptimizer,
        schedule: MakeSchedule,
        *,
        seed: int = 0,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last) if channels_last else net
        self.loss, self.regions = loss, list(regions)
        self._optimizer, self._schedule = optimizer, schedule
        self.seed, self.channels_last = seed, channels_last
        self.overlap = CaseOverlap(self.regions)

    def forward(self, image: Tensor) -> Tensor:
        """Probability of each region, [B, K, H, W], float32."""
        return self.loss.probabilities(self._logits(image).float())

    def _logits(self, image: Tensor) -> Tensor:
        if self.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.net(image)
        return logits

    def on_train_batch_start(self, batch: Sample, batch_idx: int) -> None:
        """Dropout and its like draw from (seed, step, rank): a resumed run draws what the whole one would have."""
        step = batches_done(self.trainer)
        torch.manual_seed((self.seed * 1_000_003 + step) * 1_009 + self.global_rank)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        loss: Tensor = self.loss(self._logits(batch["image"]), batch["mask"])
        self._require_finite(loss, "train")
        self.log("train/loss", loss, prog_bar=True)
        self.log("lr", float(self.trainer.optimizers[0].param_groups[0]["lr"]))
        return loss

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        logits, masks = self._logits(batch["image"]), batch["mask"]
        losses = torch.stack([self.loss(logits[[n]], masks[[n]]) for n in range(len(logits))])
        self._require_finite(losses.mean(), "validation")
        predicted = self.loss.probabilities(logits.float()) > 0.5
        self.overlap.update(predicted, masks > 0.5, batch["index"], losses)

    def on_validation_epoch_end(self) -> None:
        for name, value in self.overlap.compute().items():
            self.log(f"val/{name}", value.to(torch.float32), prog_bar=name == "dice")
        self.overlap.reset()

    def _require_finite(self, loss: Tensor, stage: str) -> None:
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
