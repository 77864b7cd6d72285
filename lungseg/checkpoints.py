"""Best and last weights: written whole or not at all, read without running anything that they hold."""

import io
import math
import pickle
import signal
import time
import zipfile
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lungseg.errors import Stopped, UserError
from lungseg.files import replaced
from lungseg.runs import Run


class AtomicIO(TorchCheckpointIO):
    """Writes beside the target and renames: a kill or a full disk leaves the older checkpoint as it was."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        target = Path(path)
        content = io.BytesIO()  # torch's own file writer hides why a write failed
        torch.save(checkpoint, content)
        go_on = "free space, then train again"
        if (target.parent / "last.ckpt").exists():
            go_on = f"the checkpoint before it is kept: free space, then: python train.py resume={target.parents[1]}"
        with replaced(target, go_on) as partial, partial.open("wb") as file:
            file.write(content.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values, on the CPU; a file that holds code is refused, never run."""
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint; the run was stopped before its first epoch ended, train it again")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "not an allowed" in str(error) or "weights_only" in str(error).lower():
            raise UserError(
                f"{path}: refused: it holds Python objects that could run code; expected tensors and plain values, "
                "as train.py writes them"
            ) from None
        raise UserError(f"{path}: not a checkpoint or damaged; copy it again or use another") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise UserError(
            f"{path}: truncated or damaged, it cannot be read whole; copy it again or use another"
        ) from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UserError(f"{path}: holds no state_dict; expected a checkpoint as train.py writes it")
    return content


class KeepCheckpoints(Checkpoint):
    """``best.ckpt`` by ``monitor`` (larger is better) and ``last.ckpt`` for going on.

    ``last.ckpt`` is written after each epoch, every ``minutes`` within one, and on Ctrl-C or SIGTERM, always between
    two optimizer steps; then the run stops with ``Stopped``.
    """

    def __init__(self, run: Run, monitor: str, minutes: float) -> None:
        self.run, self.monitor, self.minutes = run, monitor, minutes
        self.best_score, self.best_epoch = -math.inf, -1
        self.pending_plateau: float | None = None
        self.signal: int | None = None
        self.stopping = False
        self._saved_at = time.monotonic()
        self._handlers: dict[int, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "pending_plateau": self.pending_plateau,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]
        self.pending_plateau = state_dict["pending_plateau"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A plateau schedule steps after the epoch's checkpoint was written: a resumed run makes up for that step."""
        if self.pending_plateau is not None:
            for config in trainer.lr_scheduler_configs:
                if isinstance(config.scheduler, ReduceLROnPlateau):
                    config.scheduler.step(self.pending_plateau)
            self.pending_plateau = None
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._remember)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        print("\nstopping at the next safe point (again: at once, without saving)", flush=True)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # the epoch's own checkpoint follows, or half a step is open
        stop = _any_rank(trainer, self.signal is not None)
        if stop or _any_rank(trainer, time.monotonic() - self._saved_at > 60 * self.minutes):
            self._save_last(trainer)
        if stop:
            self._stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After validation, and after every other callback."""
        score = float(trainer.callback_metrics[self.monitor])
        if math.isnan(score):
            raise UserError(
                f"monitor={self.monitor} is not a number: no validation case has the region; use another "
                "data.split_seed=, a larger data.val= or monitor=val/<region>/pooled_dice"
            )
        if score > self.best_score:
            self.best_score, self.best_epoch = score, trainer.current_epoch
            trainer.save_checkpoint(self.run.best)
        self.pending_plateau = score
        self._save_last(trainer)
        self.pending_plateau = None
        self.stopping = _any_rank(trainer, self.signal is not None)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Where a signal came in an epoch's last step: only now are the epoch's numbers written."""
        if self.stopping:
            self._stop()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.stopping:
            self._stop()

    def _save_last(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.run.last)
        self._saved_at = time.monotonic()

    def _stop(self) -> None:
        number = self.signal or signal.SIGTERM
        raise Stopped(f"stopped, state saved; go on by: python train.py resume={self.run.path}", number)


def _any_rank(trainer: pl.Trainer, flag: bool) -> bool:
    """True on every rank if true on one, so that all save and stop together."""
    if trainer.world_size == 1:
        return flag
    return bool(trainer.strategy.reduce_boolean_decision(flag, all=False))
