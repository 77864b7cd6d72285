"""A Lightning trainer, with what is ``auto`` made definite."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from lungseg.errors import UserError

ACCELERATORS = ("auto", "cpu", "gpu")


def resolve(options: Mapping[str, Any]) -> dict[str, Any]:
    """Replace every ``auto`` by what this machine has, so that the saved config says what was used."""
    found = dict(options)
    for key, least in (("max_epochs", 1), ("accumulate_grad_batches", 1)):
        if key in found and (not isinstance(found[key], int) or found[key] < least):
            raise UserError(f"trainer.{key}={found[key]}: expected a whole number, at least {least}")
    if found["accelerator"] not in ACCELERATORS:
        raise UserError(f"accelerator={found['accelerator']}: expected one of {', '.join(ACCELERATORS)}")
    gpu = torch.cuda.is_available()
    if found["accelerator"] == "auto":
        found["accelerator"] = "gpu" if gpu else "cpu"
    if found["accelerator"] == "gpu" and not gpu:
        raise UserError("trainer.accelerator=gpu: torch finds no GPU here; use trainer=cpu, or look at nvidia-smi")
    on_gpu = found["accelerator"] == "gpu"
    if found["precision"] == "auto":
        found["precision"] = "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
    if found["channels_last"] == "auto":
        found["channels_last"] = True  # faster on CPUs as well
    if found["devices"] == "auto":
        found["devices"] = torch.cuda.device_count() if on_gpu else 1
    return found


def device(options: Mapping[str, Any]) -> torch.device:
    """Of one process, for what runs outside a trainer."""
    return torch.device("cuda" if options["accelerator"] == "gpu" else "cpu")


def device_name(options: Mapping[str, Any]) -> str:
    """The card's name, or how many threads the CPU gives."""
    if device(options).type == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


def build(*, channels_last: bool, save_every_minutes: float, root: Path, **options: Any) -> pl.Trainer:
    """``options`` are the Trainer's own; samplers and checkpoints are ours."""
    del channels_last, save_every_minutes  # the module's and the checkpoints'
    try:
        return pl.Trainer(
            **options,
            default_root_dir=root,
            use_distributed_sampler=False,
            enable_checkpointing=True,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
        )
    except TypeError as error:
        raise UserError(f"trainer: {error}; the keys are those of Lightning's Trainer") from None
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from None
