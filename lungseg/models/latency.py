"""How long a net takes for one image."""

import time
from statistics import median

import torch
from torch import nn

SECONDS, LEAST, MOST = 1.0, 5, 50


@torch.inference_mode()
def milliseconds(net: nn.Module, size: int, device: torch.device) -> float:
    """The median of passes over one image of ``size`` squared, after two that only warm up."""
    net = net.to(device).eval()
    channels = next(one for one in net.parameters() if one.dim() == 4).shape[1]
    image = torch.zeros(1, channels, size, size, device=device)
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
