"""A finished run's net again, from its config and its best weights."""

from dataclasses import dataclass, replace

import torch

from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.core.security.checkpoint_content import require_finite
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.tasks.build import build_module
from lungseg.tasks.module import TaskModule


@dataclass(frozen=True)
class TrainedRun:
    """Holds a run with its best weights, and the epoch (from 0) that they are of."""

    run: Run
    cfg: TrainConfig
    module: TaskModule
    epoch: int


def rebuild(run: Run, cfg: TrainConfig) -> TrainedRun:
    """Loads the best weights into the net that ``cfg`` says; nothing is fetched, whatever the run began with."""
    best = load_checkpoint(run.best)
    module = build_module(replace(cfg, model=cfg.model.untrained()))
    _load(module, best["state_dict"], run)
    require_finite(run.best, best["state_dict"])
    return TrainedRun(run, cfg, module, int(best["epoch"]))


def _load(module: TaskModule, weights: dict[str, torch.Tensor], run: Run) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{run.best}: does not fit the net in {run.config_file} ({str(error).splitlines()[-1].strip()}); "
            "one of the two was changed: restore it"
        ) from None
