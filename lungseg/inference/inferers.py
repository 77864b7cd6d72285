"""How a net is applied to whole cases: images in batches, volumes slice by slice."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

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
        reach = torch.arange(-self.neighbours, self.neighbours + 1)
        for volume in inputs:
            places = (torch.arange(len(volume))[:, None] + reach).clamp(0, len(volume) - 1)
            outputs = [net(volume[some].to(device)).float().cpu() for some in torch.split(places, self.batch_size)]
            yield torch.cat(outputs).movedim(0, 1)
