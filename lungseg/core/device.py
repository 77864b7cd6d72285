"""Chooses what a net runs on: every ``auto`` of a trainer made definite."""

from dataclasses import replace

import torch

from lungseg.core.config.trainer_config import TrainerConfig
from lungseg.core.errors import UserError

ACCELERATORS = ("auto", "cpu", "gpu", "mps")


def resolve(trainer: TrainerConfig) -> TrainerConfig:
    """Replaces every ``auto`` by what this machine has, so that the saved config says what was used."""
    accelerator = trainer.accelerator
    if accelerator not in ACCELERATORS:
        raise UserError(f"accelerator={accelerator}: expected one of {', '.join(ACCELERATORS)}")
    gpu, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if accelerator == "auto":
        accelerator = "gpu" if gpu else "mps" if mps else "cpu"
    if accelerator == "mps" and not mps:
        raise UserError("trainer.accelerator=mps: torch finds no GPU of an Apple chip here; use trainer=cpu or auto")
    if accelerator == "gpu" and not gpu:
        raise UserError("trainer.accelerator=gpu: torch finds no GPU here; use trainer=cpu, or look at nvidia-smi")
    precision, channels_last, devices = trainer.precision, trainer.channels_last, trainer.devices
    on_gpu = accelerator == "gpu"
    if precision == "auto":
        precision = "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
    if channels_last == "auto":
        channels_last = accelerator != "mps"  # faster on CPUs as well
    if devices == "auto":
        devices = torch.cuda.device_count() if on_gpu else 1
    return replace(trainer, accelerator=accelerator, precision=precision, channels_last=channels_last, devices=devices)


def device(accelerator: str) -> torch.device:
    """Returns the device of one process, for what runs outside a trainer."""
    return torch.device({"gpu": "cuda", "mps": "mps"}.get(accelerator, "cpu"))


def widest(device: torch.device) -> torch.dtype:
    """Returns the type that sums are kept in: an Apple GPU has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def device_name(accelerator: str) -> str:
    """Returns the card's name, or how many threads the CPU gives."""
    if accelerator == "gpu":
        return torch.cuda.get_device_name()
    if accelerator == "mps":
        return "Apple GPU (MPS)"
    return f"CPU, {torch.get_num_threads()} threads"
