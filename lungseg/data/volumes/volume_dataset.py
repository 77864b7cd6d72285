"""Volumes -> samples: what is alike whether they are slices or patches."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import albumentations
import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.core.errors import UsageError
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.dataset import CaseDataset
from lungseg.data.io.image import resize_masks

GRID = (24, 48, 48)  # to which volumes of different sizes are brought where they are averaged


class VolumeDataset(CaseDataset, ABC):
    """Samples by (epoch, part of a volume); ``cases`` has the case of each, and scores are counted by volume.

    ``parts`` [N, 2] says which volume a sample is of, and which part of it.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        reader: CaseReader,
        augment: albumentations.Compose | None = None,
        seed: int = 0,
    ) -> None:
        if reader.pack is None:
            raise UsageError("data.pack=false: volumes are read from the pack; leave it out")
        self.reader, self.pack, self.volumes = reader, reader.pack, list(cases)
        self.shapes = [self.pack.images[self.pack.rows[case.id]].shape for case in cases]
        numbers = [self._number(shape) for shape in self.shapes]
        volumes = np.repeat(np.arange(len(numbers)), numbers)
        parts = np.concatenate([np.arange(number) for number in numbers]) if numbers else volumes
        self.parts: NDArray[np.int64] = np.stack([volumes, parts], axis=1).astype(np.int64)
        super().__init__([cases[volume] for volume in volumes.tolist()], reader, augment, seed)

    @abstractmethod
    def _number(self, shape: tuple[int, ...]) -> int:
        """Returns how many samples a volume gives."""

    def index_of(self, index: int) -> tuple[int, int]:
        """Returns which volume a sample is of, and which part of it."""
        volume, part = self.parts[index].tolist()
        return volume, part

    def masks(self, at_once: int = 256) -> Iterator[Mask]:
        """Yields each volume's masks [1, K, *GRID], coarse, so that volumes of all sizes can be averaged."""
        for case in self.volumes:
            yield _coarse(self.pack.case(case.id)[1])[None]

    def areas(self) -> NDArray[np.int64]:
        """[N, K] voxels of each region of each volume, as the net sees it."""
        return self.pack.areas[[self.pack.rows[case.id] for case in self.volumes]]

    def examples(self, number: int) -> list[int]:
        """Lists for some volumes the sample that shows most of the regions, else the one in the middle."""
        chosen = []
        for volume in np.linspace(0, len(self.volumes) - 1, min(number, len(self.volumes))).round().astype(int):
            own = np.flatnonzero(self.parts[:, 0] == volume).tolist()
            sizes = [int(self._pixels(index)[1].sum()) for index in own]
            chosen.append(own[int(np.argmax(sizes)) if any(sizes) else len(own) // 2])
        return chosen


def _coarse(masks: Mask) -> Mask:
    """[K, Z, Y, X] -> [K, *GRID]; the slices are the nearest ones."""
    planes = np.linspace(0, masks.shape[1] - 1, GRID[0]).round().astype(int)
    coarse = [resize_masks(np.ascontiguousarray(mask[planes]), GRID[1]) for mask in masks]
    return np.stack(coarse) if coarse else np.zeros((0, *GRID), np.bool_)
