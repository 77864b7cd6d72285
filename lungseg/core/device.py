"""Chooses what a net runs on: every ``auto`` of a trainer made definite."""

from collections.abc import Mapping
from typing import Any

import torch

from lungseg.core.errors import UserError

ACCELERATORS = ("auto", "cpu", "gpu")


def resolve(options: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces every ``auto`` by what this machine has, so that the saved config says what was used."""
    found = dict(options)
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
    """Returns the device of one process, for what runs outside a trainer."""
    return torch.device("cuda" if options["accelerator"] == "gpu" else "cpu")


def device_name(options: Mapping[str, Any]) -> str:
    """Returns the card's name, or how many threads the CPU gives."""
    if device(options).type == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"
