"""Reads scans in Hounsfield units, and their masks, as a data set names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.data.case import Case, MaskFile, Picture, files
from lungseg.data.io.hounsfield import as_hounsfield
from lungseg.data.io.image import read_mask
from lungseg.data.io.label_map import LungLabels, lung_sides, read_label_map, region_mask
from lungseg.data.io.volume import Volume, read_volume_file


@dataclass(frozen=True, eq=False)
class Scan:
    """Holds a volume [Z, Y, X] in Hounsfield units: x to the patient's left, y to the back, z to the head.

    ``volume``: as its file has it; None where the scan is computed.
    """

    voxels: NDArray[np.int16]
    spacing: tuple[float, float, float]  # millimetres along z, y and x
    volume: Volume | None


def read_scan(image: Picture) -> Scan:
    """Reads a scan from its file, or computes it."""
    if not isinstance(image, Path):
        rendered: Any = image
        return Scan(rendered.read(), rendered.spacing, None)
    volume = read_volume_file(image)
    return Scan(np.round(as_hounsfield(volume.voxels, image)).astype(np.int16), volume.spacing, volume)


def read_volume_masks(case: Case, regions: Sequence[str], scan: Scan) -> Mask:
    """Reads the masks [K, Z, Y, X] of these regions, which must lie where their scan does."""
    masks = [_volume_mask(case.masks[region], scan) for region in regions]
    return np.stack(masks) if masks else np.zeros((0, *scan.voxels.shape), np.bool_)


def read_region(case: Case, region: str, shape: tuple[int, ...]) -> Mask:
    """Reads one mask of a picture [H, W] or of a volume [Z, Y, X]."""
    if len(shape) == 2:
        return read_mask(case.masks[region], case.image, shape)
    masks: Mask = read_volume_masks(case, [region], read_scan(case.image))
    return np.asarray(masks[0], np.bool_)


def _volume_mask(mask: Picture, scan: Scan) -> Mask:
    if scan.volume is None or not files(mask):
        rendered: Any = mask
        return np.asarray(rendered.read() > 0, np.bool_)
    labels = mask.labels if isinstance(mask, MaskFile) and mask.labels else (1,)
    masks = [_region(mask, read_label_map(path, scan.volume, labels), labels) for path in files(mask)]
    return np.asarray(np.any(masks, axis=0), np.bool_)


def _region(mask: Picture, labels: Volume, region: tuple[int, ...]) -> Mask:
    if not isinstance(mask, MaskFile) or mask.side is None:
        return region_mask(labels, region)
    sides = lung_sides(labels, LungLabels(*region))
    return sides.left if mask.side == "left" else sides.right
