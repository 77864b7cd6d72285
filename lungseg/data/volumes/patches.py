"""Volume -> samples: patches drawn at random to train on, and tiles that cover each volume once to validate on."""

from collections.abc import Sequence
from typing import Any, cast

import albumentations
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.dataset import Sample
from lungseg.data.samplers import Key, mix_seed
from lungseg.data.volumes.patch_preprocessing import PatchPreprocessing
from lungseg.data.volumes.resampling import Shape
from lungseg.data.volumes.volume_dataset import VolumeDataset

PLACES = 2  # beside a sample's seed: where its patch lies


def cut_patch(volumes: NDArray[Any], start: Sequence[int], patch: Shape, edges: bool = False) -> NDArray[Any]:
    """[..., Z, Y, X] -> [..., *patch] from ``start`` on; beyond the volume 0, or its ``edges`` again."""
    ends = [min(at + side, end) for at, side, end in zip(start, patch, volumes.shape[-3:], strict=True)]
    z, y, x = (slice(max(at, 0), end) for at, end in zip(start, ends, strict=True))
    inner = volumes[..., z, y, x]
    if inner.shape[-3:] == tuple(patch):
        return inner
    beyond = [(max(-at, 0), at + side - end) for at, side, end in zip(start, patch, ends, strict=True)]
    return np.pad(inner, [(0, 0)] * (volumes.ndim - 3) + beyond, mode="edge" if edges else "constant")


class PatchDataset(VolumeDataset):
    """Samples by (epoch, index): image float32 [C, ...], mask float32 [K, ...], index of the volume, of its part."""

    @property
    def view(self) -> PatchPreprocessing:
        """Returns how patches are seen."""
        return cast(PatchPreprocessing, self.reader.how)

    def shown(self, index: int) -> Gray:
        """Returns the patch in grey levels, a slice [Y, X] or a volume [Z, Y, X], before augmentation."""
        scan = self.pack.case(self.cases[index].id)[0]
        patch = self.view.shown(cut_patch(scan, self.start(0, index), self.view.patch, edges=True))
        return patch if self.view.neighbours is None else patch[0]

    def start(self, epoch: int, index: int) -> tuple[int, ...]:
        """Returns where a sample's patch begins in its volume."""
        raise NotImplementedError

    def _pixels(self, index: int, epoch: int = 0) -> tuple[Gray, Mask]:
        """Returns the patch, or a slice's with its neighbours as channels, and its masks."""
        start = self.start(epoch, index)
        scan, masks = self.pack.case(self.cases[index].id)
        marked = np.asarray(cut_patch(masks, start, self.view.patch), np.bool_)
        if (reach := self.view.neighbours) is None:
            return self.view.shown(cut_patch(scan, start, self.view.patch, edges=True)), marked
        slices = np.arange(start[0] - reach, start[0] + reach + 1).clip(0, len(scan) - 1)
        near = cut_patch(scan[slices], (0, *start[1:]), (len(slices), *self.view.patch[1:]), edges=True)
        return self.view.shown(near), marked[:, 0]


class DrawnPatches(PatchDataset):
    """Draws ``number`` patches of each volume in each epoch, of which the share ``foreground`` holds a region.

    Where they lie comes from (seed, epoch, index) alone. A patch that shall hold a region lies at random around one
    of its voxels; a volume without any gives patches from anywhere.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        reader: CaseReader,
        augment: albumentations.Compose | None = None,
        seed: int = 0,
        *,
        number: int = 8,
        foreground: float = 0.33,
    ) -> None:
        self.number, self.foreground = number, foreground
        super().__init__(cases, reader, augment, seed)

    def _number(self, shape: tuple[int, ...]) -> int:
        return self.number

    def start(self, epoch: int, index: int) -> tuple[int, ...]:
        """Returns where a sample's patch begins in its volume."""
        draw = np.random.default_rng(mix_seed(self.seed, epoch, index, PLACES))
        volume = int(self.parts[index, 0])
        limits = [sorted((0, side - patch)) for side, patch in zip(self.shapes[volume], self.view.patch, strict=True)]
        if (voxel := self._voxel(volume, index, draw)) is not None:
            limits = [[max(low, at - patch + 1), min(high, at)]
                      for (low, high), at, patch in zip(limits, voxel, self.view.patch, strict=True)]  # fmt: skip
        return tuple(int(draw.integers(low, high + 1)) for low, high in limits)

    def _voxel(self, volume: int, index: int, draw: np.random.Generator) -> tuple[int, ...] | None:
        """Returns a voxel of a region that the sample shall hold; None where it may lie anywhere."""
        if int((index + 1) * self.foreground) == int(index * self.foreground):
            return None
        regions = [points for points in self.pack.points_of(self.volumes[volume].id) if points[0] >= 0]
        if not regions:
            return None
        points = regions[int(draw.integers(len(regions)))]
        return tuple(int(at) for at in np.unravel_index(int(draw.choice(points)), self.shapes[volume]))


class TiledPatches(PatchDataset):
    """Covers each volume by patches, of which every voxel is counted once.

    The last patch along an axis ends where the volume does, so that a net sees what it was trained on; ``inside``
    [2, axes] is the first voxel of it that no other counts, and the one after its last.
    """

    def __getitem__(self, key: Key) -> Sample:
        return {**super().__getitem__(key), "inside": self._inside(key[1])}

    def start(self, epoch: int, index: int) -> tuple[int, ...]:
        """Returns where a sample's patch begins in its volume."""
        volume, part = self.parts[index].tolist()
        counts = self._counts(self.shapes[volume])
        along = [int(number) for number in np.unravel_index(part, counts)]
        sides = zip(along, self.view.patch, self.shapes[volume], strict=True)
        return tuple(min(number * patch, side - patch) if side > patch else (side - patch) // 2
                     for number, patch, side in sides)  # fmt: skip

    def _number(self, shape: tuple[int, ...]) -> int:
        return int(np.prod(self._counts(shape)))

    def _counts(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(-(-side // patch) for side, patch in zip(shape, self.view.patch, strict=True))

    def _inside(self, index: int) -> Tensor:
        volume, part = self.parts[index].tolist()
        shape, start = self.shapes[volume], self.start(0, index)
        along = [int(number) for number in np.unravel_index(part, self._counts(shape))]
        places = zip(along, self.view.patch, start, shape, strict=True)
        limits = [(max(number * patch, 0) - at, min(at + patch, side) - at) for number, patch, at, side in places]
        return torch.tensor(limits if self.view.neighbours is None else limits[1:]).T


def inside(mask: Tensor, limits: Tensor) -> Tensor:
    """Clears bool [B, K, ...] outside of each sample's ``limits`` [B, 2, axes]."""
    axes = limits.shape[2]
    limits, within = limits.to(mask.device), torch.ones_like(mask)
    for axis in range(axes):
        at = torch.arange(mask.shape[2 + axis], device=mask.device)
        shape = [len(mask), 1, *(len(at) if other == axis else 1 for other in range(axes))]
        low, high = limits[:, 0, axis, None], limits[:, 1, axis, None]
        within &= ((at >= low) & (at < high)).reshape(shape)
    return mask & within
