"""Reads checkpoints without running anything that they hold."""

import pickle
from pathlib import Path
from typing import Any

import torch

from lungseg.core.errors import UserError
from lungseg.core.security.checkpoint_content import require_checkpoint, require_training_state


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values, on the CPU; a file that holds code is refused, never run."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: is no plain file; expected a checkpoint as train.py writes it")
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
    except Exception:  # torch raises whatever the first wrong byte leads to
        raise UserError(
            f"{path}: truncated or damaged, it cannot be read whole; copy it again or use another"
        ) from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UserError(f"{path}: holds no state_dict; expected a checkpoint as train.py writes it")
    require_checkpoint(path, content)
    return content


def load_training_state(path: Path, module: torch.nn.Module) -> dict[str, Any]:
    """Loads a checkpoint from which training can go on: with the state of all that trains, and ``module``'s weights."""
    content = load_checkpoint(path)
    require_training_state(path, content, module)
    return content
