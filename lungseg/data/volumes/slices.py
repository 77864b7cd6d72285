"""Volume -> samples: axial slices with their neighbours."""

from typing import cast

import numpy as np

from lungseg.core.arrays import Gray, Mask
from lungseg.data.volumes.preprocessing import SlicePreprocessing
from lungseg.data.volumes.volume_dataset import VolumeDataset


class SliceDataset(VolumeDataset):
    """Samples by (epoch, slice): image float32 [C, S, S], mask float32 [K, S, S], index of the volume, of its part."""

    @property
    def view(self) -> SlicePreprocessing:
        """Returns how slices are seen."""
        return cast(SlicePreprocessing, self.reader.how)

    def shown(self, index: int) -> Gray:
        """The slice [S, S] in grey levels, as it is before augmentation."""
        _, z = self.index_of(index)
        return self.view.shown(self.pack.case(self.cases[index].id)[0][z])

    def _number(self, shape: tuple[int, ...]) -> int:
        return shape[0]

    def _pixels(self, index: int, epoch: int = 0) -> tuple[Gray, Mask]:
        _, z = self.index_of(index)
        scan, masks = self.pack.case(self.cases[index].id)
        reach = np.arange(z - self.view.neighbours, z + self.view.neighbours + 1).clip(0, len(scan) - 1)
        return self.view.shown(scan[reach]), masks[:, z]
