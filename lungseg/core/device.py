"""Chooses what a net runs on: every ``auto`` of a trainer made definite."""

from collections.abc import Mapping
from typing import Any

import torch

from lungseg.core.errors import UserError

ACCELERATORS = ("auto", "cpu", "gpu", "mps")


def resolve(options: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces every ``auto`` by what this machine has, so that the saved config says what was used."""
    found = dict(options)
    if found["accelerator"] not in ACCELERATORS:
        raise UserError(f"accelerator={found['accelerator']}: expected one of {', '.join(ACCELERATORS)}")
    gpu, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if found["accelerator"] == "auto":
        found["accelerator"] = "gpu" if gpu else "mps" if mps else "cpu"
    if found["accelerator"] == "mps" and not mps:
        raise UserError("trainer.accelerator=mps: torch finds no GPU of an Apple chip here; use trainer=cpu or auto")
    if found["accelerator"] == "gpu" and not gpu:
        raise UserError("trainer.accelerator=gpu: torch finds no GPU here; use trainer=cpu, or look at nvidia-smi")
    on_gpu = found["accelerator"] == "gpu"
    if found["precision"] == "auto":
        found["precision"] = "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
    if found["channels_last"] == "auto":
        found["channels_last"] = found["accelerator"] != "mps"  # faster on CPUs as well
    if found["devices"] == "auto":
        found["devices"] = torch.cuda.device_count() if on_gpu else 1
    return found


def device(options: Mapping[str, Any]) -> torch.device:
    """Returns the device of one process, for what runs outside a trainer."""
    return torch.device({"gpu": "cuda", "mps": "mps"}.get(options["accelerator"], "cpu"))


def widest(device: torch.device) -> torch.dtype:
    """Returns the type that sums are kept in: an Apple GPU has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def device_name(options: Mapping[str, Any]) -> str:
    """Returns the card's name, or how many threads the CPU gives."""
    if device(options).type == "cuda":
        return torch.cuda.get_device_name()
    if device(options).type == "mps":
        return "Apple GPU (MPS)"
    return f"CPU, {torch.get_num_threads()} threads"
