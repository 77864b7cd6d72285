"""Volumes as nets see them patch by patch, at one spacing, and the way back to the scan's own grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.volumes.resampling import Shape, Spacing, interpolate, resample, resample_mask, shape_at
from lungseg.data.volumes.volume_view import VolumeView, Voxels


@dataclass(frozen=True, kw_only=True)
class PatchPreprocessing(VolumeView):
    """The same for training, validation and every later use: voxels of ``spacing``, of which a net sees a patch.

    ``spacing``: millimetres along z, y and x; None: each scan's own. ``neighbours``: None for 3-D nets; else patches
    are of one slice, and the net sees so many more on each side as channels.
    """

    patch: Shape
    spacing: Spacing | None = None
    neighbours: int | None = None

    def case(self, case: Case, regions: Sequence[str]) -> tuple[Voxels, Mask]:
        """Returns the scan [Z, Y, X] and its masks [K, Z, Y, X] on the grid that patches are of."""
        loaded = self.load(case, regions)
        box = self.box(case.id, loaded.image.shape)
        shape = self._shape(box.shape, loaded.spacing)
        masks = [resample_mask(np.ascontiguousarray(mask), shape) for mask in box.cut(loaded.masks)]
        return self.grid(loaded), np.stack(masks) if masks else np.zeros((0, *shape), np.bool_)

    def grid(self, loaded: LoadedCase) -> Voxels:
        """Returns the scan at the spacing that the net sees."""
        voxels = self.voxels(loaded.case.id, loaded.image)
        shape = self._shape(voxels.shape, loaded.spacing)
        return voxels if shape == voxels.shape else np.round(resample(voxels, shape)).astype(voxels.dtype)

    def cache_key(self, case: Case) -> object:
        """Returns what decides about the voxels of a case but its files; patches are cut from them later."""
        return "volumes", self.spacing, *self.key(case)

    def tensor(self, voxels: Gray) -> Tensor:
        """[Z, Y, X] -> [1, Z, Y, X] for 3-D nets; neighbouring slices [C, Y, X] are channels already."""
        pixels = super().tensor(voxels)
        return pixels[None] if self.neighbours is None else pixels

    def input(self, loaded: LoadedCase) -> Tensor:
        """[Z, Y, X] -> float32 at the spacing that the net sees."""
        return super().tensor(self.shown(self.grid(loaded)))

    def back(self, planes: NDArray[np.float32], id: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """[K, Z', Y', X'] -> [K, *shape], trilinear: the net's grid over the scan's own."""
        box = self.box(id, shape)
        return box.put_back(interpolate(planes, box.shape), shape)

    def _shape(self, shape: tuple[int, ...], spacing: Sequence[float] | None) -> Shape:
        depth, height, width = shape
        if self.spacing is None or spacing is None:
            return depth, height, width
        z, y, x = spacing
        return shape_at(shape, (z, y, x), self.spacing)
