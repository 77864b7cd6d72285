"""Applies a net to whole cases: images in batches, volumes slice by slice or window by window."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lungseg.inference.sliding_window import sliding_window

Network = Callable[[Tensor], Tensor]


class Inferer(Protocol):
    """Applies a net to the inputs of some cases; yields the outputs [K, ...] of each."""

    def __call__(self, net: Network, inputs: Sequence[Tensor], device: torch.device) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class WholeImages:
    """Gives the net all images [C, H, W] at once."""

    def __call__(self, net: Network, inputs: Sequence[Tensor], device: torch.device) -> Iterator[Tensor]:
        yield from net(torch.stack(list(inputs)).to(device)).float().cpu()


@dataclass(frozen=True)
class Slices:
    """Gives the net some slices of a volume [Z, H, W] at a time, each with its neighbours as channels."""

    neighbours: int
    batch_size: int

    def __call__(self, net: Network, inputs: Sequence[Tensor], device: torch.device) -> Iterator[Tensor]:
        for volume in inputs:
            places = _near(len(volume), self.neighbours)
            outputs = [net(volume[some].to(device)).float().cpu() for some in torch.split(places, self.batch_size)]
            yield torch.cat(outputs).movedim(0, 1)


@dataclass(frozen=True)
class Patches:
    """Gives a 3-D net some windows of a volume [Z, Y, X] at a time, which overlap by a share of their sides."""

    patch: tuple[int, int, int]
    batch_size: int
    overlap: float = 0.5

    def __call__(self, net: Network, inputs: Sequence[Tensor], device: torch.device) -> Iterator[Tensor]:
        for volume in inputs:
            yield sliding_window(net, volume[None], self.patch, self.batch_size, self.overlap, device)


@dataclass(frozen=True)
class SlicePatches:
    """Gives a 2-D net some windows of the slices of a volume [Z, Y, X] at a time, with their neighbours."""

    neighbours: int
    patch: tuple[int, int, int]  # of one slice
    batch_size: int

    def __call__(self, net: Network, inputs: Sequence[Tensor], device: torch.device) -> Iterator[Tensor]:
        def of_slice(windows: Tensor) -> Tensor:
            return net(windows[:, :, 0])[:, :, None]

        for volume in inputs:
            slices = [
                sliding_window(of_slice, volume[near][:, None], self.patch, self.batch_size, device=device)
                for near in _near(len(volume), self.neighbours)
            ]
            yield torch.cat(slices, dim=1)


def _near(number: int, neighbours: int) -> Tensor:
    """[Z, C]: each slice's own place and those beside it; at the ends the last one again."""
    return (torch.arange(number)[:, None] + torch.arange(-neighbours, neighbours + 1)).clamp(0, number - 1)
