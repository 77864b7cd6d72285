"""Orders cases within an epoch, the same again after a restart and on any number of ranks."""

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Sampler

Key = tuple[int, int]  # epoch, index


class ShuffledEpochs(Sampler[Key]):
    """Yields keys (epoch, index) in an order that depends on (seed, epoch) alone; each rank takes its own equal share.

    ``start`` = (epoch, keys to pass over) continues an epoch where a run was stopped; ``set_epoch`` is called by the
    trainer before each epoch. The length is that of a whole epoch.
    """

    def __init__(self, length: int, seed: int, start: Key = (0, 0), rank: int = 0, ranks: int = 1) -> None:
        self.length, self.seed, self.start, self.rank, self.ranks = length, seed, start, rank, ranks
        self.epoch = start[0]

    def __len__(self) -> int:
        return self.length // self.ranks

    def __iter__(self) -> Iterator[Key]:
        order = torch.randperm(
            self.length, generator=torch.Generator().manual_seed(mix_seed(self.seed, self.epoch, -1))
        )
        own = order.tolist()[self.rank :: self.ranks][: len(self)]
        epoch = self.epoch
        skip = self.start[1] if epoch == self.start[0] else 0
        return ((epoch, index) for index in own[skip:])

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class InOrder(Sampler[Key]):
    """Yields each case once, over all ranks together: rank r takes r, r + ranks, ..."""

    def __init__(self, length: int, rank: int = 0, ranks: int = 1) -> None:
        self.indices = range(rank, length, ranks)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Key]:
        return ((0, index) for index in self.indices)


def mix_seed(*numbers: int) -> int:
    """Returns one 32-bit seed from several numbers; neighbours give unrelated seeds."""
    return int(np.random.SeedSequence([number % 2**32 for number in numbers]).generate_state(1)[0])
