"""Applies a net to a volume window by window, and blends what overlaps with Gaussian weights."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTH = 0.125  # standard deviation of the weights, as a share of a window's side: nnU-Net's and MONAI's
LEAST = 1e-3  # weight of a corner, as a share of the middle's

Window = tuple[slice, slice, slice]


def sliding_window(
    net: Callable[[Tensor], Tensor],
    volume: Tensor,
    patch: tuple[int, int, int],
    batch_size: int = 1,
    overlap: float = 0.5,
    device: torch.device | None = None,
) -> Tensor:
    """[C, Z, Y, X] -> [K, Z, Y, X]: weighted means of what ``net`` says of each window [B, C, *patch].

    What a net for segmentation says are logits, and they are what is blended, as in nnU-Net: a sure window counts for
    more than an unsure one. The sums are float32 in main memory, K + 1 numbers a voxel; only a batch of windows is on
    ``device`` at once. A volume smaller than the window is surrounded by its edges.
    """
    sides = volume.shape[1:]
    margins = [max(patch[axis] - sides[axis], 0) for axis in range(3)]
    before = [margin // 2 for margin in margins]
    padding = [part for axis in (2, 1, 0) for part in (before[axis], margins[axis] - before[axis])]
    whole = F.pad(volume[None], padding, mode="replicate")[0] if any(padding) else volume
    weights = gaussian(patch)
    total: Tensor | None = None
    counted = torch.zeros(whole.shape[1:])
    for places in _batches(list(windows(whole.shape[1:], patch, overlap)), batch_size):
        inputs = torch.stack([whole[:, z, y, x] for z, y, x in places])
        outputs = net(inputs.to(device)).float().cpu()
        if total is None:
            total = torch.zeros(outputs.shape[1], *whole.shape[1:])
        for output, (z, y, x) in zip(outputs, places, strict=True):
            total[:, z, y, x] += output * weights
            counted[z, y, x] += weights
    assert total is not None
    total /= counted
    z, y, x = (slice(first, first + side) for first, side in zip(before, sides, strict=True))
    return total[:, z, y, x]


def windows(sides: Sequence[int], patch: Sequence[int], overlap: float) -> Iterator[Window]:
    """Yields where windows lie, which cover a volume and overlap by at least such a share."""
    starts = []
    for side, length in zip(sides, patch, strict=True):
        step = max(int(length * (1 - overlap)), 1)
        number = -(-max(side - length, 0) // step) + 1
        starts.append([min(step * place, max(side - length, 0)) for place in range(number)])
    for z, y, x in product(*starts):
        yield slice(z, z + patch[0]), slice(y, y + patch[1]), slice(x, x + patch[2])


def gaussian(patch: Sequence[int]) -> Tensor:
    """Returns the weights of a window's voxels: 1 in the middle, never less than ``LEAST``."""
    weights = torch.ones(())
    for side in patch:
        along = torch.arange(side) - (side - 1) / 2
        weights = weights[..., None] * torch.exp(-0.5 * (along / (WIDTH * side)) ** 2)
    return weights.clamp(min=LEAST)


def _batches(places: Sequence[Window], size: int) -> Iterator[Sequence[Window]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
