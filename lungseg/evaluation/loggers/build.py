"""Dashboards beside metrics.csv: built from ``logger=``, fed with what only some of them can show.

W&B is imported where a run uses it: that takes half a second.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from lungseg.core import log_output
from lungseg.core.arrays import Gray, Mask
from lungseg.core.config.trainer_config import LoggerConfig
from lungseg.core.errors import UserError
from lungseg.data.visualize.overlay import Overlay, draw_case

if TYPE_CHECKING:
    import wandb


def build(options: LoggerConfig, run_dir: Path, *, name: str, config: dict[str, Any]) -> list[Logger]:
    """The dashboards that ``logger=`` names, on rank zero."""
    if log_output.rank() != 0:
        return []
    loggers: list[Logger] = []
    if options.wandb is not None:
        from lungseg.evaluation.loggers import wandb_run

        run = wandb_run.start(
            run_dir, name=name, project=options.wandb.project, group=options.wandb.group, config=config
        )
        if run is not None:
            loggers.append(WandbLogger(experiment=run))
    if options.tensorboard:
        if importlib.util.find_spec("tensorboard") is None:
            raise UserError("logger=tensorboard: the package is missing; install it by: uv sync --extra tensorboard")
        loggers.append(TensorBoardLogger(run_dir, name="tensorboard", version=""))
    return loggers


@rank_zero_only
def log_overlays(
    loggers: Sequence[Logger], key: str, overlays: Sequence[Overlay], step: int, epoch: int | None
) -> None:
    """Pictures; in W&B with masks of reference and prediction that can be switched on and off."""
    for run in _wandb_runs(loggers):
        side = tuple(max(overlay.image.shape[axis] for overlay in overlays) for axis in (0, 1)) if overlays else (0, 0)
        images = [_wandb_image(overlay, side) for overlay in overlays]
        run.log({key: images, **({} if epoch is None else {"epoch": epoch, "trainer/global_step": step})})
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            for overlay in overlays:
                logger.experiment.add_image(f"{key}/{overlay.case_id}", draw_case(overlay), step, dataformats="HWC")


@rank_zero_only
def log_table(loggers: Sequence[Logger], key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """One row per case, in W&B."""
    for run in _wandb_runs(loggers):
        import wandb

        table = wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows], allow_mixed_types=True)
        run.log({key: table})


@rank_zero_only
def log_summary(loggers: Sequence[Logger], values: Mapping[str, float]) -> None:
    """Final numbers: W&B's summary of the run, TensorBoard's scalars."""
    for run in _wandb_runs(loggers):
        run.summary.update({name: value for name, value in values.items() if np.isfinite(value)})
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_metrics(dict(values), 0)


@rank_zero_only
def finish(loggers: Sequence[Logger]) -> None:
    """Close them in bounded time; a second call does nothing."""
    for run in _wandb_runs(loggers):
        from lungseg.evaluation.loggers import wandb_run

        wandb_run.finish(run)
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.finalize("success")


def _wandb_runs(loggers: Sequence[Logger]) -> Iterator[wandb.Run]:
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            yield logger.experiment


def _wandb_image(overlay: Overlay, shape: tuple[int, ...]) -> wandb.Image:
    """Black below and on the right up to ``shape``: W&B shows only pictures of one size side by side."""
    import wandb

    margins = [(0, wanted - side) for wanted, side in zip(shape, overlay.image.shape, strict=True)]
    names = {0: "background", **{k + 1: region for k, region in enumerate(overlay.dice)}}
    masks = {
        which: {"mask_data": np.pad(_innermost(regions), margins), "class_labels": names}
        for which, regions in (("prediction", overlay.prediction), ("reference", overlay.reference))
    }
    return wandb.Image(np.pad(overlay.image, margins), masks=masks, caption=overlay.caption)


def _innermost(regions: Mask) -> Gray:
    """[K, H, W] -> [H, W]: the number of the innermost region that holds the pixel, 0 for none."""
    order = np.arange(1, len(regions) + 1, dtype=np.uint8)[:, None, None]
    return np.asarray((regions * order).max(axis=0), np.uint8)
