"""How long a net takes for one image."""

import time
from collections.abc import Sequence
from statistics import median

import torch
from torch import nn

SECONDS, LEAST, MOST = 1.0, 5, 50


@torch.inference_mode()
def milliseconds(net: nn.Module, shape: Sequence[int], device: torch.device) -> float:
    """The median of passes over one image [C, ...] of ``shape``, after two that only warm up."""
    net = net.to(device).eval()
    image = torch.zeros(1, *shape, device=device)
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < LEAST + 2 or (len(times) < MOST and time.perf_counter() - began < SECONDS):
        started = time.perf_counter()
        net(image)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()
        times.append(1000 * (time.perf_counter() - started))
    return round(median(times[2:]), 3)
