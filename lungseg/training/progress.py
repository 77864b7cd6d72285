"""What a person sees while a run trains: a bar where there is a terminal, one line an epoch everywhere."""

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ProgressBar, TQDMProgressBar

log = logging.getLogger("lungseg")


class Bar(TQDMProgressBar):
    """The epoch's bar with its loss and the last validation Dice."""

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        metrics = trainer.progress_bar_metrics
        shown = {
            "loss": metrics.get("train/loss"),
            "val Dice": metrics.get("val/dice"),
        }
        return {name: f"{float(value):.3f}" for name, value in shown.items() if value is not None}


class Silent(ProgressBar):
    """Nothing: a log file is no place for a bar."""

    def disable(self) -> None: ...

    def enable(self) -> None: ...


def progress_bar() -> ProgressBar:
    """A bar where standard output is a terminal."""
    return Bar(leave=False) if sys.stderr.isatty() else Silent()


class EpochLines(Callback):
    """One line an epoch, to the screen and the log file."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()  # a resumed epoch has no start

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        log.info(
            "epoch %d/%s  loss %.4f  val loss %.4f  val Dice %.4f  %.0f s",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            values.get("train/loss_epoch", float("nan")),
            values.get("val/loss", float("nan")),
            values.get("val/dice", float("nan")),
            time.monotonic() - self._started,
        )
