"""Case -> sample: what a net eats."""

from collections.abc import Iterator, Sequence

import albumentations
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from lungseg.data.case import Case
from lungseg.data.pack import Pack, Preprocessing
from lungseg.data.read import Gray, Mask, read_image

# ImageNet's, averaged over colours: what every published encoder was trained under
MEAN, STD = 0.449, 0.226

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
        if self.pack is not None:
            image, masks = self.pack.images[index], self.pack.masks[index]
        else:
            image, masks = self.how.case(self.cases[index], self.regions)
        if self.augment is not None:
            self.augment.set_random_seed(_mix(self.seed, epoch, index))
            changed = self.augment(image=image[..., None], mask=masks.transpose(1, 2, 0).astype(np.uint8))
            image, masks = changed["image"][..., 0], changed["mask"].transpose(2, 0, 1) > 0
        return {
            "image": normalise(image),
            "mask": torch.from_numpy(np.ascontiguousarray(masks, dtype=np.float32)),
            "index": torch.tensor(index),
        }

    def reference_masks(self) -> Mask:
        """[N, K, S, S] of all cases."""
        if self.pack is not None:
            return self.pack.masks
        return np.stack([self.how.case(case, self.regions)[1] for case in self.cases])

    def shown(self, index: int) -> Gray:
        """The image [S, S] as it is before augmentation and normalisation."""
        return self.pack.images[index] if self.pack is not None else self.how.image(read_image(self.cases[index].image))


def normalise(image: Gray) -> Tensor:
    """[H, W] uint8 -> [1, H, W] float32 as the encoders expect it."""
    return torch.from_numpy((image.astype(np.float32)[None] / 255 - MEAN) / STD)


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
