"""What a person sees while a run trains: a bar where there is a terminal, one line an epoch everywhere."""

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ProgressBar, TQDMProgressBar

from lungseg.tasks.columns import Column
from lungseg.tasks.module import TaskModule

log = logging.getLogger("lungseg")


class Bar(TQDMProgressBar):
    """The epoch's bar with its loss and the last validation score."""

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        metrics, score = trainer.progress_bar_metrics, headline(pl_module)
        shown = {
            "loss": metrics.get("train/loss"),
            f"val {score.title}": metrics.get(f"val/{score.name}"),
        }
        return {name: f"{float(value):.3f}" for name, value in shown.items() if value is not None}


def headline(module: pl.LightningModule) -> Column:
    """Returns the score that the task is about."""
    assert isinstance(module, TaskModule)
    return module.task.headline


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
        score = headline(pl_module)
        log.info(
            "epoch %d/%s  loss %.4f  val loss %.4f  val %s %.4f  %.0f s",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            values.get("train/loss_epoch", float("nan")),
            values.get("val/loss", float("nan")),
            score.title,
            values.get(f"val/{score.name}", float("nan")),
            time.monotonic() - self._started,
        )
