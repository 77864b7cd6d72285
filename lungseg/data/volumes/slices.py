"""Volume -> samples: axial slices with their neighbours."""

from collections.abc import Iterator, Sequence

import albumentations
import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Gray, Mask
from lungseg.core.errors import UsageError
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.dataset import CaseDataset
from lungseg.data.io.image import resize_masks
from lungseg.data.volumes.preprocessing import SlicePreprocessing

GRID = (24, 48, 48)  # to which volumes of different sizes are brought where they are averaged


class SliceDataset(CaseDataset):
    """Samples by (epoch, slice): image float32 [C, S, S], mask float32 [K, S, S], index of the volume, of its part.

    ``cases`` has the case of each slice. Scores of the slices of one volume are counted together by its index.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        reader: CaseReader,
        augment: albumentations.Compose | None = None,
        seed: int = 0,
    ) -> None:
        if reader.pack is None:
            raise UsageError("data.pack=false: slices of volumes are read from the pack; leave it out")
        assert isinstance(reader.how, SlicePreprocessing)
        self.pack, self.view, self.volumes = reader.pack, reader.how, list(cases)
        depths = [self.pack.images[self.pack.rows[case.id]].shape[0] for case in cases]
        volumes = np.repeat(np.arange(len(depths)), depths)
        slices = np.concatenate([np.arange(depth) for depth in depths]) if depths else volumes
        self.places = np.stack([volumes, slices], axis=1)  # [N, 2]: which volume a sample is of, and which slice
        super().__init__([cases[volume] for volume in volumes.tolist()], reader, augment, seed)

    def index_of(self, index: int) -> tuple[int, int]:
        """Returns which volume a sample is of, and which part of it."""
        volume, z = self.places[index].tolist()
        return volume, z

    def masks(self, at_once: int = 256) -> Iterator[Mask]:
        """Yields each volume's masks [1, K, *GRID], coarse, so that volumes of all sizes can be averaged."""
        for case in self.volumes:
            yield coarse(self.pack.case(case.id)[1])[None]

    def areas(self) -> NDArray[np.int64]:
        """[N, K] voxels of each region of each volume, as the net sees it."""
        return self.pack.areas[[self.pack.rows[case.id] for case in self.volumes]]

    def shown(self, index: int) -> Gray:
        """The slice [S, S] in grey levels, as it is before augmentation."""
        volume, z = self.places[index].tolist()
        return self.view.shown(self.pack.case(self.volumes[volume].id)[0][z])

    def examples(self, number: int) -> list[int]:
        """Lists for some volumes the slice that shows most of the regions, else the one in the middle."""
        chosen = []
        for volume in np.linspace(0, len(self.volumes) - 1, min(number, len(self.volumes))).round().astype(int):
            own = np.flatnonzero(self.places[:, 0] == volume).tolist()
            masks = self.pack.case(self.volumes[volume].id)[1]
            size = masks.sum((0, 2, 3)) if len(masks) else np.zeros(len(own))
            chosen.append(own[int(size.argmax()) if size.any() else len(own) // 2])
        return chosen

    def _pixels(self, index: int, epoch: int = 0) -> tuple[Gray, Mask]:
        volume, z = self.places[index].tolist()
        scan, masks = self.pack.case(self.volumes[volume].id)
        reach = np.arange(z - self.view.neighbours, z + self.view.neighbours + 1).clip(0, len(scan) - 1)
        return self.view.shown(scan[reach]), masks[:, z]


def coarse(masks: Mask) -> Mask:
    """[K, Z, Y, X] -> [K, *GRID]; the slices are the nearest ones."""
    planes = np.linspace(0, masks.shape[1] - 1, GRID[0]).round().astype(int)
    coarse = [resize_masks(np.ascontiguousarray(mask[planes]), GRID[1]) for mask in masks]
    return np.stack(coarse) if coarse else np.zeros((0, *GRID), np.bool_)
