"""A box in a volume's own voxels, and the way into it and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class VolumeBox:
    """Holds the first voxel of a box along z, y and x, and the one after its last."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns how many voxels it has along each axis."""
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))

    def cut(self, volumes: NDArray[Any]) -> NDArray[Any]:
        """[..., Z, Y, X] -> [..., *shape]."""
        z, y, x = self._slices()
        return volumes[..., z, y, x]

    def put_back(self, volumes: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
        """[K, *self.shape] -> [K, *shape], 0 outside the box."""
        if self.shape == tuple(shape):
            return volumes
        whole = np.zeros((len(volumes), *shape), np.float32)
        z, y, x = self._slices()
        whole[..., z, y, x] = volumes
        return whole

    def _slices(self) -> list[slice]:
        return [slice(low, high) for low, high in zip(self.low, self.high, strict=True)]


def whole(shape: tuple[int, ...]) -> VolumeBox:
    """Returns the box that holds a whole volume [Z, Y, X]."""
    depth, height, width = shape
    return VolumeBox((0, 0, 0), (depth, height, width))
