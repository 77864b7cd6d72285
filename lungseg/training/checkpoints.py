"""Writes the best and the last weights whole or not at all."""

import io
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lungseg.core.atomic_io import replaced
from lungseg.core.errors import Stopped, UserError
from lungseg.core.run_directory import Run
from lungseg.core.shell_commands import resume_command
from lungseg.core.signals import CTRL_C, Signals

DUE = 1  # a checkpoint is; less than any signal that is ours


class AtomicIO(TorchCheckpointIO):
    """Writes beside the target and renames: a kill or a full disk leaves the older checkpoint as it was."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        content = io.BytesIO()  # torch's own file writer hides why a write failed
        torch.save(checkpoint, content)
        go_on = "free space, then train again"
        if (target.parent / "last.ckpt").exists():
            go_on = f"the checkpoint before it is kept: free space, then: {resume_command(target.parents[1])}"
        with replaced(target, go_on) as partial, partial.open("wb") as file:
            file.write(content.getbuffer())


@dataclass(frozen=True)
class Monitor:
    """Names the number that picks the best weights, and says whether larger is better."""

    name: str
    higher: bool = True

    @property
    def worst(self) -> float:
        return -math.inf if self.higher else math.inf

    @property
    def mode(self) -> str:
        """Returns what Lightning and torch call the direction."""
        return "max" if self.higher else "min"

    def is_better(self, score: float, than: float) -> bool:
        return score > than if self.higher else score < than


class KeepCheckpoints(Checkpoint):
    """``best.ckpt`` by ``monitor`` and ``last.ckpt`` for going on.

    ``last.ckpt`` is written after each epoch, every ``minutes`` within one, and on a signal, always between two
    optimizer steps; then the run stops with ``Stopped``, on all ranks with the same signal.
    """

    def __init__(self, run: Run, monitor: Monitor, minutes: float, signals: Signals) -> None:
        self.run, self.monitor, self.minutes, self.signals = run, monitor, minutes, signals
        self.best_score, self.best_epoch = monitor.worst, -1
        self.pending_plateau: float | None = None
        self.stopping = 0  # the signal's number
        self.begun = False  # all state is restored, and training has begun
        self._saved_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "pending_plateau": self.pending_plateau,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        plateau = state_dict["pending_plateau"]
        self.best_score, self.best_epoch = float(state_dict["best_score"]), int(state_dict["best_epoch"])
        self.pending_plateau = None if plateau is None else float(plateau)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A plateau schedule steps after the epoch's checkpoint was written: a resumed run makes up for that step."""
        if self.pending_plateau is not None:
            for config in trainer.lr_scheduler_configs:
                if isinstance(config.scheduler, ReduceLROnPlateau):
                    config.scheduler.step(self.pending_plateau)
            self.pending_plateau = None
        self.begun = True
        self.signals.take()
        self.signals.remembered = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.signals.remembered = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # the epoch's own checkpoint follows, or half a step is open
        due = DUE if time.monotonic() - self._saved_at > 60 * self.minutes else 0
        asked = _most(trainer, self.signals.number or due)
        if asked:
            trainer._logger_connector.update_train_step_metrics()  # after this hook it is too late for one that stops
            self._save_last(trainer)
        if asked > DUE:
            self._stop(asked)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After validation, and after every other callback."""
        score = float(trainer.callback_metrics[self.monitor.name])
        if math.isnan(score):
            raise UserError(
                f"monitor={self.monitor.name} is not a number: no validation case has the region; use another "
                "data.split_seed=, a larger data.val= or monitor=val/<region>/pooled_dice"
            )
        if self.monitor.is_better(score, self.best_score):
            self.best_score, self.best_epoch = score, trainer.current_epoch
            trainer.save_checkpoint(self.run.best)
        self.pending_plateau = score
        self._save_last(trainer)
        self.pending_plateau = None
        self.stopping = _most(trainer, self.signals.number or 0)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where a signal came in an epoch's last step: only now are the epoch's numbers written."""
        if self.stopping:
            self._stop(self.stopping)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.stopping:
            self._stop(self.stopping)

    def _save_last(self, trainer: pl.Trainer) -> None:
        for logger in trainer.loggers:
            logger.save()  # what was measured until now: a run that is killed goes on from here
        trainer.save_checkpoint(self.run.last)
        self._saved_at = time.monotonic()

    def _stop(self, number: int) -> None:
        CTRL_C.ends()
        raise Stopped(f"stopped, state saved; go on by: {resume_command(self.run.path)}", number)


def _most(trainer: pl.Trainer, value: int) -> int:
    """The largest of all ranks' values, so that all save and stop together."""
    if trainer.world_size == 1:
        return value
    most = torch.tensor(float(value), device=trainer.strategy.root_device)
    torch.distributed.all_reduce(most, op=torch.distributed.ReduceOp.MAX)
    return int(most)
