"""Case -> sample: what a net eats."""

from collections.abc import Iterator, Sequence

import albumentations
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from lungseg.data.case import Case
from lungseg.data.io.image import Gray, Mask
from lungseg.data.packed_cache import Pack
from lungseg.data.preprocessing import Preprocessing

Sample = dict[str, Tensor]
Key = tuple[int, int]


class CaseDataset(Dataset[Sample]):
    """Samples by (epoch, index): image float32 [1, S, S], mask float32 [K, S, S], index of the case.

    The random numbers of a sample come from (seed, epoch, index) alone, so neither the number of workers nor a
    restart changes them, and no two epochs repeat one another.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        regions: Sequence[str],
        how: Preprocessing,
        pack: Pack | None = None,
        augment: albumentations.Compose | None = None,
        seed: int = 0,
    ) -> None:
        self.cases, self.regions, self.how = list(cases), list(regions), how
        self.pack, self.augment, self.seed = pack, augment, seed

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        image, masks = self._pixels(index)
        if self.augment is not None:
            self.augment.set_random_seed(_mix(self.seed, epoch, index))
            changed = self.augment(image=image[..., None], mask=masks.transpose(1, 2, 0).astype(np.uint8))
            image, masks = changed["image"][..., 0], changed["mask"].transpose(2, 0, 1) > 0
        return {
            "image": self.how.tensor(image),
            "mask": torch.from_numpy(np.ascontiguousarray(masks, dtype=np.float32)),
            "index": torch.tensor(index),
        }

    def masks(self, at_once: int = 256) -> Iterator[Mask]:
        """The cases' masks as the net sees them, [up to ``at_once``, K, S, S] at a time."""
        for start in range(0, len(self), at_once):
            yield np.stack([self._pixels(index)[1] for index in range(start, min(start + at_once, len(self)))])

    def areas(self) -> NDArray[np.int64]:
        """[N, K] pixels of each region as the net sees it."""
        if self.pack is not None:
            return self.pack.areas[[self.pack.rows[case.id] for case in self.cases]]
        return np.concatenate([masks.sum((2, 3)) for masks in self.masks()])

    def shown(self, index: int) -> Gray:
        """The image [S, S] as it is before augmentation and normalisation."""
        return self._pixels(index)[0]

    def _pixels(self, index: int) -> tuple[Gray, Mask]:
        case = self.cases[index]
        return self.pack.case(case.id) if self.pack is not None else self.how.case(case, self.regions)


class ShuffledEpochs(Sampler[Key]):
    """Keys (epoch, index) in an order that depends on (seed, epoch) alone; each rank takes its own equal share.

    ``start`` = (epoch, keys to pass over) continues an epoch where a run was stopped; ``set_epoch`` is called by the
    trainer before each epoch. The length is that of a whole epoch.
    """

    def __init__(self, length: int, seed: int, start: Key = (0, 0), rank: int = 0, ranks: int = 1) -> None:
        self.length, self.seed, self.start, self.rank, self.ranks = length, seed, start, rank, ranks
        self.epoch = start[0]

    def __len__(self) -> int:
        return self.length // self.ranks

    def __iter__(self) -> Iterator[Key]:
        order = torch.randperm(self.length, generator=torch.Generator().manual_seed(_mix(self.seed, self.epoch, -1)))
        own = order.tolist()[self.rank :: self.ranks][: len(self)]
        epoch = self.epoch
        skip = self.start[1] if epoch == self.start[0] else 0
        return ((epoch, index) for index in own[skip:])

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


class InOrder(Sampler[Key]):
    """Each case once, over all ranks together: rank r takes r, r + ranks, ..."""

    def __init__(self, length: int, rank: int = 0, ranks: int = 1) -> None:
        self.indices = range(rank, length, ranks)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Key]:
        return ((0, index) for index in self.indices)


def _mix(*numbers: int) -> int:
    """One 32-bit seed from several numbers; neighbours give unrelated seeds."""
    return int(np.random.SeedSequence([number % 2**32 for number in numbers]).generate_state(1)[0])
