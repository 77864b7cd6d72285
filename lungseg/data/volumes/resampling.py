"""Brings volumes to another grid over the same space."""

from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from lungseg.core.arrays import Mask

Spacing = tuple[float, float, float]  # millimetres along z, y and x
Shape = tuple[int, int, int]


def shape_at(shape: tuple[int, ...], spacing: Spacing, target: Spacing) -> Shape:
    """Returns how many voxels of ``target`` millimetres cover a volume, at least one along each axis."""
    sides = zip(shape, spacing, target, strict=True)
    depth, height, width = (max(round(side * size / wanted), 1) for side, size, wanted in sides)
    return depth, height, width


def resample(volume: NDArray[Any], shape: Shape) -> NDArray[np.float32]:
    """[Z, Y, X] -> ``shape``: linear, and averaged along an axis that shrinks, so that nothing aliases."""
    planes = np.asarray(volume, np.float32)
    if planes.shape[1:] != shape[1:]:
        shrinks = shape[1] < planes.shape[1] or shape[2] < planes.shape[2]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        planes = np.stack([cv2.resize(plane, shape[:0:-1], interpolation=how) for plane in planes])
    return planes if len(planes) == shape[0] else _along_z(planes, shape[0])


def resample_mask(mask: Mask, shape: Shape) -> Mask:
    """[Z, Y, X] -> ``shape``; a voxel belongs to the region where at least half of it did."""
    return mask if mask.shape == shape else np.asarray(resample(mask, shape) >= 0.5)


def interpolate(volumes: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """[K, Z, Y, X] -> [K, *shape], trilinear."""
    if volumes.shape[1:] == tuple(shape):
        return volumes
    scaled = F.interpolate(torch.from_numpy(np.ascontiguousarray(volumes))[None], tuple(shape), mode="trilinear")
    return np.asarray(scaled[0].numpy(), np.float32)


def _along_z(planes: NDArray[np.float32], depth: int) -> NDArray[np.float32]:
    how = cv2.INTER_AREA if depth < len(planes) else cv2.INTER_LINEAR
    size = planes.shape[2], depth
    rows = [cv2.resize(np.ascontiguousarray(planes[:, y]), size, interpolation=how) for y in range(planes.shape[1])]
    return np.ascontiguousarray(np.stack(rows, axis=1), np.float32)
