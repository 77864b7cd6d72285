"""What happens to a volume before it is augmented, and the way back from the net's grid to the scan's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.io.hounsfield import window_to_uint8
from lungseg.data.io.image import resize_masks
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.preprocessing import Box, Normalisation, Preprocessing
from lungseg.data.volumes.reading import read_scan, read_volume_masks

Hounsfield = NDArray[np.int16]


@dataclass(frozen=True)
class SlicePreprocessing:
    """The same for training, validation and every later use: axial slices, each seen at ``size`` x ``size``.

    ``window``: the Hounsfield units that are told apart. ``neighbours``: slices on each side that the net sees as well.
    """

    size: int
    window: tuple[float, float]
    neighbours: int = 0
    aspect: str = "squash"
    normalise: Normalisation = None

    @property
    def channels(self) -> int:
        """Returns how many slices the net sees at once."""
        return 2 * self.neighbours + 1

    def load(self, case: Case, regions: Sequence[str]) -> LoadedCase:
        """Returns the scan [Z, Y, X] in Hounsfield units and its masks [K, Z, Y, X], as they were published."""
        scan = read_scan(case.image)
        return LoadedCase(case, scan.voxels, read_volume_masks(case, regions, scan))

    def case(self, case: Case, regions: Sequence[str]) -> tuple[Hounsfield, Mask]:
        """Returns the scan [Z, size, size] and its masks [K, Z, size, size]."""
        loaded = self.load(case, regions)
        box = self._box(loaded.image.shape)
        cut = np.asarray(box.cut(loaded.masks), np.bool_)
        masks = [resize_masks(np.ascontiguousarray(mask), self.size) for mask in cut]
        empty = np.zeros((0, len(loaded.image), self.size, self.size), np.bool_)
        return self.grid(loaded.image), np.stack(masks) if masks else empty

    def grid(self, scan: Hounsfield) -> Hounsfield:
        """[Z, Y, X] -> [Z, size, size], in Hounsfield units; air beyond the edges."""
        box = self._box(scan.shape)
        shape = box.height, box.width
        cut = scan if shape == scan.shape[1:] else np.asarray(box.cut(scan + 1024) - 1024)
        shrinks = self.size < min(shape)
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        planes = [cv2.resize(plane, (self.size, self.size), interpolation=how) for plane in cut.astype(np.float32)]
        return np.round(np.stack(planes)).astype(np.int16)

    def cache_key(self, case: Case) -> object:
        """Returns what decides about the voxels of a case but its files; the window is laid over them later."""
        return "slices", self.size, self.aspect

    def least_bytes(self, case: Case, regions: Sequence[str]) -> tuple[int, int]:
        """Says that only decoding tells how many slices there are."""
        return 0, 0

    def shown(self, scan: Hounsfield) -> Gray:
        """Returns the voxels in the window's grey levels."""
        return window_to_uint8(scan, *self.window)

    def tensor(self, slices: Gray) -> Tensor:
        """[C, H, W] uint8 -> float32, as the net is given it."""
        return Preprocessing(self.size, normalise=self.normalise).tensor(slices)[0]

    def input(self, id: str, scan: Hounsfield) -> Tensor:
        """[Z, Y, X] -> [Z, size, size] float32, of which the net is given neighbouring slices."""
        return self.tensor(self.shown(self.grid(scan)))

    def back(self, planes: NDArray[np.float32], id: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """[K, Z', H', W'] -> [K, *shape], trilinear: the net's grid over the scan's own."""
        box = self._box(shape)
        target = (shape[0], box.height, box.width)
        if planes.shape[1:] != target:
            planes = F.interpolate(torch.from_numpy(planes)[None], target, mode="trilinear")[0].numpy()
        if target == tuple(shape):
            return planes
        back = np.stack([box.put_back(volume, (shape[1], shape[2])) for volume in planes])
        return np.asarray(back, np.float32)

    def _box(self, shape: tuple[int, ...]) -> Box:
        return Preprocessing(self.size, aspect=self.aspect).box("", shape[1:])
