"""The part of a run that every rank takes part in."""

import logging
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from pytorch_lightning.loggers import Logger

from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import CheckpointError, Stopped, UserError
from lungseg.core.run_directory import Run
from lungseg.core.signals import Signals
from lungseg.data.datamodule import CaseDataModule
from lungseg.tasks.base import Task
from lungseg.tasks.build import build_part
from lungseg.tasks.module import TaskModule
from lungseg.training import trainer
from lungseg.training.callbacks import EpochLoss, Throughput
from lungseg.training.checkpoints import KeepCheckpoints, Monitor
from lungseg.training.distributed.connection import RankLost
from lungseg.training.progress import EpochLines, progress_bar
from lungseg.training.trainer import Ranks

log = logging.getLogger("lungseg")

BROKEN_STATE = (KeyError, TypeError, AttributeError, ValueError, IndexError)  # what a damaged checkpoint leads to


def build_trainer(
    cfg: TrainConfig, run: Run, task: Task, signals: Signals, ranks: Ranks, loggers: Sequence[Logger]
) -> pl.Trainer:
    monitor = Monitor(cfg.monitor, task.measured()[cfg.monitor.removeprefix("val/")])
    return trainer.build(cfg.trainer, run.path, _callbacks(cfg, run, signals, monitor), loggers, ranks)


def fit(fitter: pl.Trainer, module: TaskModule, data: CaseDataModule, ranks: Ranks, checkpoint: Any = None) -> None:
    """What fails because another rank is no more is said so."""
    try:
        fitter.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
    except (Stopped, UserError):
        raise
    except Exception as error:
        data.raise_if_worker_died()
        if checkpoint is not None and isinstance(error, BROKEN_STATE) and not _has_begun(fitter):
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise CheckpointError(
                f"{checkpoint}: training cannot go on from it ({said}); restore it or start a new run"
            ) from error
        if ranks.line is not None:
            ranks.line.raise_if_lost(seconds=10)
            _explain(error)
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _has_begun(fitter: pl.Trainer) -> bool:
    """Tells whether all state was restored and training began."""
    return any(isinstance(one, KeepCheckpoints) and one.begun for one in getattr(fitter, "callbacks", ()))


def _explain(error: Exception) -> None:
    """Says that a rank did not answer; the backends have no class for it, so that their text is read."""
    text = str(error)
    if "timed out" in text.lower() or "timeout" in text.lower():
        raise RankLost(
            f"a rank did not answer within trainer.rank_timeout_minutes ({text.splitlines()[0][:120]}); look for a "
            "process or a network that hangs, or allow more"
        ) from None


def _callbacks(cfg: TrainConfig, run: Run, signals: Signals, monitor: Monitor) -> list[Callback]:
    callbacks: list[Callback] = [
        KeepCheckpoints(run, monitor, cfg.trainer.save_every_minutes, signals),
        Throughput(run),
        EpochLoss(),
        EpochLines(),
        progress_bar(),
    ]
    callbacks += [build_part("callbacks", one) for one in cfg.callbacks.values() if one is not None]
    if cfg.patience is not None:
        callbacks.append(EarlyStopping(monitor.name, mode=monitor.mode, patience=cfg.patience))
    if cfg.ema is not None:
        callbacks.append(EMAWeightAveraging(decay=cfg.ema))
    return callbacks
