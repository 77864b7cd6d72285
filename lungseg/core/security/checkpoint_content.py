"""Checks what a checkpoint holds, once it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lungseg.core.errors import UserError
from lungseg.core.security.safe_yaml import shown

MOST_COUNTS = 1000  # Lightning keeps some ten
PROGRESS = (
    "epoch_progress",
    "epoch_loop.batch_progress",
    "epoch_loop.scheduler_progress",
    "epoch_loop.automatic_optimization.optim_progress",
)  # of Lightning's loop, without which it would begin from the first epoch


def require_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Refuses one whose epoch, step or weights are of a wrong kind."""
    for key in ("epoch", "global_step"):
        value = content.get(key, 0 if key == "global_step" else None)  # which only training needs
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            said = "is missing" if key not in content else f"is a {type(value).__name__}"
            if isinstance(value, int | float | str):
                said = f"is {shown(value)!r}"
            raise UserError(f"{path}: {key} {said}; expected a whole number, as train.py writes it; restore it")
    weights = content["state_dict"]
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in weights.items()
    ):
        raise UserError(f"{path}: its state_dict holds no weights by name; expected a checkpoint as train.py writes it")


def require_training_state(path: Path, content: Mapping[str, Any], module: torch.nn.Module) -> None:
    """Refuses one from which training cannot go on: without the state of all that trains, or of another net."""
    for key, kind in (
        ("global_step", int),
        ("loops", dict),
        ("callbacks", dict),
        ("optimizer_states", list),
        ("lr_schedulers", list),
    ):
        if not isinstance(content.get(key), kind):
            raise UserError(f"{path}: has no {key}, so training cannot go on from it; restore it or start a new run")
    for key in ("optimizer_states", "lr_schedulers"):
        empty = not content[key] and key == "optimizer_states"
        if empty or not all(isinstance(state, dict) and state for state in content[key]):
            raise UserError(f"{path}: {key}: has no state, so training cannot go on; restore it or start a new run")
    loop = content["loops"].get("fit_loop")
    if not isinstance(loop, dict) or not all(_are_counts(loop.get(name)) for name in PROGRESS):
        raise UserError(f"{path}: does not say how far training was, so it cannot go on; restore it or start a new run")
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if shapes != {name: tuple(value.shape) for name, value in content["state_dict"].items()}:
        raise UserError(f"{path}: does not fit the net in config.yaml; one of the two was changed: restore it")


def _are_counts(value: Any) -> bool:
    """Tells whether these are Lightning's numbers of what was begun and done, at some depth."""
    waiting, seen = [value], 0
    while waiting:
        inner, seen = waiting.pop(), seen + 1
        if isinstance(inner, dict) and inner and seen < MOST_COUNTS:
            waiting += inner.values()
        elif not isinstance(inner, int) or not 0 <= inner < 2**53:
            return False
    return True


def require_finite(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuses weights with which nothing can be predicted."""
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise UserError(
                f"{path}: {name} holds what is no finite number: the training has diverged, or the file is damaged; "
                "restore it, or train again with a smaller optim.lr="
            )
