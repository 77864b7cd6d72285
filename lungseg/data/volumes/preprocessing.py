"""Volumes as 2-D nets see them: axial slices of one size, and the way back to the scan's own grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Mask
from lungseg.data.case import Case
from lungseg.data.io.image import resize_masks
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.preprocessing import Box, Preprocessing
from lungseg.data.volumes.resampling import interpolate
from lungseg.data.volumes.volume_view import VolumeView, Voxels, air


@dataclass(frozen=True, kw_only=True)
class SlicePreprocessing(VolumeView):
    """The same for training, validation and every later use: axial slices, each seen at ``size`` x ``size``.

    ``neighbours``: slices on each side that the net sees as well.
    """

    size: int
    neighbours: int = 0
    aspect: str = "squash"

    def case(self, case: Case, regions: Sequence[str]) -> tuple[Voxels, Mask]:
        """Returns the scan [Z, size, size] and its masks [K, Z, size, size]."""
        loaded = self.load(case, regions)
        within = self.box(case.id, loaded.image.shape)
        planes = self._square(within.shape)
        cut = np.asarray(planes.cut(within.cut(loaded.masks)), np.bool_)
        masks = [resize_masks(np.ascontiguousarray(mask), self.size) for mask in cut]
        empty = np.zeros((0, within.shape[0], self.size, self.size), np.bool_)
        return self.grid(case.id, loaded.image), np.stack(masks) if masks else empty

    def grid(self, id: str, scan: NDArray[np.int16]) -> Voxels:
        """[Z, Y, X] -> [Z, size, size]; air beyond the edges."""
        voxels = self.voxels(id, scan)
        box = self._square(voxels.shape)
        shape = box.height, box.width
        cut = voxels if shape == voxels.shape[1:] else box.cut(voxels.astype(np.float32) - air(voxels)) + air(voxels)
        how = cv2.INTER_AREA if self.size < min(shape) else cv2.INTER_LINEAR
        planes = [cv2.resize(plane, (self.size, self.size), interpolation=how) for plane in cut.astype(np.float32)]
        return np.round(np.stack(planes)).astype(voxels.dtype)

    def cache_key(self, case: Case) -> object:
        """Returns what decides about the voxels of a case but its files."""
        return "slices", self.size, self.aspect, *self.key(case)

    def input(self, loaded: LoadedCase) -> Tensor:
        """[Z, Y, X] -> [Z, size, size] float32, of which the net is given neighbouring slices."""
        return self.tensor(self.shown(self.grid(loaded.case.id, loaded.image)))

    def back(self, planes: NDArray[np.float32], id: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """[K, Z', H', W'] -> [K, *shape], trilinear: the net's grid over the scan's own."""
        within = self.box(id, shape)
        box = self._square(within.shape)
        cut = interpolate(planes, (within.shape[0], box.height, box.width))
        if (box.height, box.width) != within.shape[1:]:
            cut = np.stack([box.put_back(volume, (within.shape[1], within.shape[2])) for volume in cut])
        return within.put_back(cut, shape)

    def _square(self, shape: tuple[int, ...]) -> Box:
        return Preprocessing(self.size, aspect=self.aspect).box("", shape[1:])
