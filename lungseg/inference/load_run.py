"""A finished run's net again, from its config and its best weights."""

import torch
from omegaconf import DictConfig

from lungseg.core.config.compose import changed
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.core.security.checkpoint_content import require_finite
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.tasks.build import build_module
from lungseg.tasks.module import TaskModule


def rebuild(run: Run, cfg: DictConfig) -> tuple[TaskModule, int]:
    """The net, and the epoch (from 0) of its weights; nothing is fetched, whatever the run began with."""
    best = load_checkpoint(run.best)
    nothing = {"model.pretrained": False} | ({"model.weights": None} if "weights" in cfg.model else {})
    module = build_module(changed(cfg, nothing))
    _load(module, best["state_dict"], run)
    require_finite(run.best, best["state_dict"])
    return module, int(best["epoch"])


def _load(module: TaskModule, weights: dict[str, torch.Tensor], run: Run) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{run.best}: does not fit the net in {run.config_file} ({str(error).splitlines()[-1].strip()}); "
            "one of the two was changed: restore it"
        ) from None
