"""A finished run's net again, from its config and its best weights."""

import torch
from omegaconf import DictConfig

from lungseg.checkpoint_content import require_finite
from lungseg.checkpoints import load_checkpoint
from lungseg.errors import UserError
from lungseg.experiment import build_module
from lungseg.module import SegmentationModule
from lungseg.runs import Run


def rebuild(run: Run, cfg: DictConfig) -> tuple[SegmentationModule, int]:
    """The net, and the epoch (from 0) of its weights; nothing is fetched, whatever the run began with."""
    best = load_checkpoint(run.best)
    blank = cfg.copy()
    blank.model.pretrained = False
    if "weights" in blank.model:
        blank.model.weights = None
    module = build_module(blank)
    _load(module, best["state_dict"], run)
    require_finite(run.best, best["state_dict"])
    return module, int(best["epoch"])


def _load(module: SegmentationModule, weights: dict[str, torch.Tensor], run: Run) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{run.best}: does not fit the net in {run.config_file} ({str(error).splitlines()[-1].strip()}); "
            "one of the two was changed: restore it"
        ) from None
