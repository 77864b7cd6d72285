"""Reads, cuts and shows a scan, and gives it to a net: what all views of volumes share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Gray
from lungseg.data.case import Case
from lungseg.data.io.hounsfield import PADDING, window_to_uint8
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.preprocessing import IMAGENET, Normalisation
from lungseg.data.volumes.box import VolumeBox, whole
from lungseg.data.volumes.reading import read_scan, read_volume_masks

Voxels = NDArray[Any]  # [Z, Y, X] int16 in Hounsfield units, or uint8 in grey levels


@dataclass(frozen=True, kw_only=True)
class VolumeView:
    """Reads scans for a net.

    ``window``: the Hounsfield units that are told apart. ``clahe``: contrast-limited adaptive histogram equalisation
    of every axial slice. ``boxes``: by case id, what is cut out before all else.
    """

    window: tuple[float, float]
    normalise: Normalisation = IMAGENET
    clahe: bool = False
    boxes: Mapping[str, VolumeBox] = field(default_factory=dict)

    def load(self, case: Case, regions: Sequence[str]) -> LoadedCase:
        """Returns the scan [Z, Y, X] in Hounsfield units and its masks [K, Z, Y, X], as they were published."""
        scan = read_scan(case.image)
        return LoadedCase(case, scan.voxels, read_volume_masks(case, regions, scan), scan.spacing)

    def box(self, id: str, shape: tuple[int, ...]) -> VolumeBox:
        """Returns what of the scan the net sees."""
        return self.boxes.get(id) or whole(shape)

    def voxels(self, id: str, scan: NDArray[np.int16]) -> Voxels:
        """Returns what of a scan the net sees, at its own size."""
        if not self.clahe:
            return self.box(id, scan.shape).cut(scan)
        equalise = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply
        planes = np.stack([equalise(plane) for plane in window_to_uint8(scan, *self.window)])
        return self.box(id, scan.shape).cut(np.asarray(planes, np.uint8))

    def key(self, case: Case) -> tuple[object, ...]:
        """Returns what decides about ``voxels``; a window alone is laid over the packed ones later."""
        return self.boxes.get(case.id), self.window if self.clahe else None

    def least_bytes(self, case: Case, regions: Sequence[str]) -> tuple[int, int]:
        """Says that only decoding tells how many slices there are."""
        return 0, 0

    def shown(self, voxels: Voxels) -> Gray:
        """Returns the voxels in the window's grey levels."""
        return voxels if voxels.dtype == np.uint8 else window_to_uint8(voxels, *self.window)

    def tensor(self, voxels: Gray) -> Tensor:
        """Grey levels of any shape -> float32, as the net is given them."""
        mean, std = self.normalise or IMAGENET
        return torch.from_numpy((voxels.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std))


def air(voxels: Voxels) -> int:
    """Returns what stands beyond the edges of a scan."""
    return 0 if voxels.dtype == np.uint8 else int(PADDING)
