"""A run that belongs to a search reports each epoch to it, and gives up when it is told to, on all its ranks."""

import math
import os

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from lungseg.core.errors import Pruned, UserError
from lungseg.sweep.search.reporter import REPORT, Reporter, reporter


class Prune(Callback):
    """Reports each epoch by rank zero, and gives up on all ranks where it is told to; nothing without a search."""

    def __init__(self) -> None:
        self.reporter: Reporter | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and os.environ.get(REPORT):
            self.reporter = reporter(trainer.max_epochs or 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        hopeless = False
        if self.reporter is not None:
            value = trainer.callback_metrics.get(self.reporter.monitor)
            if value is None:
                raise UserError(f"objective={self.reporter.monitor}: nothing of that name is measured")
            hopeless = not math.isnan(float(value)) and self.reporter.hopeless(trainer.current_epoch + 1, float(value))
        if os.environ.get(REPORT) and trainer.strategy.broadcast(hopeless):
            raise Pruned(f"pruned after epoch {trainer.current_epoch + 1}: other trials of the search do better")
