"""Reads checkpoints without running anything that they hold."""

import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import torch

from lungseg.core.errors import CheckpointError
from lungseg.core.security.checkpoint_content import require_checkpoint, require_training_state


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's tensors and plain values, on the CPU; a file that holds code is refused, never run."""
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: is no plain file; expected a checkpoint as train.py writes it")
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint; the run was stopped before its first epoch ended, train it again"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if _holds_objects(path):
            raise CheckpointError(
                f"{path}: refused: it holds Python objects that could run code; expected tensors and plain values, "
                "as train.py writes them"
            ) from None
        raise CheckpointError(f"{path}: not a checkpoint or damaged; copy it again or use another") from None
    except Exception:  # torch raises whatever the first wrong byte leads to
        raise CheckpointError(
            f"{path}: truncated or damaged, it cannot be read whole; copy it again or use another"
        ) from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise CheckpointError(f"{path}: holds no state_dict; expected a checkpoint as train.py writes it")
    require_checkpoint(path, content)
    return content


def _holds_objects(path: Path) -> bool:
    """Tells whether a file that torch refused is a whole archive or a whole pickle, read without running it."""
    if zipfile.is_zipfile(path):
        return True
    try:
        with path.open("rb") as file:
            return any(code.name == "STOP" for code, _, _ in pickletools.genops(file))
    except Exception:  # pickletools raises whatever the first wrong byte leads to
        return False


def load_training_state(path: Path, module: torch.nn.Module) -> dict[str, Any]:
    """Loads a checkpoint from which training can go on: with the state of all that trains, and ``module``'s weights."""
    content = load_checkpoint(path)
    require_training_state(path, content, module)
    return content
