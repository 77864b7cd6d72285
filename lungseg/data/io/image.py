"""A picture on disk, or computed, as an array; whatever is wrong with the file is said with its path."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Gray, Mask
from lungseg.core.errors import DataError
from lungseg.data.case import Case, MaskFile, Picture
from lungseg.data.io import dicom, nifti, raster
from lungseg.data.io.pixel_values import require_spread
from lungseg.data.sources.mask_matching import ending


class MaskError(DataError):
    """A mask that can be decoded and is no mask of its image."""


class MaskSizeError(MaskError):
    """Of another size than its image."""


def read_image(picture: Picture) -> Gray:
    """[H, W] uint8. Colour becomes grey; more than 8 bits are stretched from the 0.1st to the 99.9th percentile."""
    if isinstance(picture, MaskFile):
        raise TypeError(f"{picture} is a mask, not an image")
    if not isinstance(picture, Path):
        return as_gray(picture.read())
    pixels = decode(picture)
    if not _is_grey_already(pixels):
        require_spread(pixels, *_ends(pixels), picture)
    return as_gray(pixels)


def as_gray(pixels: NDArray[Any]) -> Gray:
    """Any numbers -> uint8, as ``read_image`` says."""
    if _is_grey_already(pixels):
        grey: Gray = pixels.astype(np.uint8) * np.uint8(255 if pixels.dtype == np.bool_ else 1)
        return grey
    low, high = _ends(pixels)
    scaled = (pixels.astype(np.float64) - low) / max(high - low, 1e-12)
    stretched: Gray = np.round(scaled.clip(0, 1) * 255).astype(np.uint8)
    return stretched


def _is_grey_already(pixels: NDArray[Any]) -> bool:
    return pixels.dtype in (np.uint8, np.bool_)


def _ends(pixels: NDArray[Any]) -> tuple[float, float]:
    """Returns what is shown black and white."""
    low, high = np.percentile(pixels, (0.1, 99.9))
    return float(low), float(high)


def read_mask(picture: Picture, image: Picture, shape: tuple[int, ...]) -> Mask:
    """[H, W] bool. A plain file must have the image's ``shape`` and at most two levels, the lower one 0."""
    if isinstance(picture, MaskFile):
        parts = [_part(picture, path, image, shape) for path in picture.paths]
        return np.asarray(np.logical_or.reduce(parts), np.bool_)
    pixels = decode(picture) if isinstance(picture, Path) else picture.read()
    _require_shape(pixels, picture, image, shape)
    return _two_levels(pixels, picture)


def _part(mask: MaskFile, path: Path, image: Picture, shape: tuple[int, ...]) -> Mask:
    """One file of several, at the image's shape."""
    pixels = decode(path)
    if not mask.scaled:
        _require_shape(pixels, path, image, shape)
    if mask.labels is not None:
        region = labelled(pixels, mask.labels, path)
    elif mask.soft:
        region = pixels >= max(float(pixels.max()), 1.0) / 2
    else:
        region = _two_levels(pixels, path)
    return region if region.shape == shape else resize_plane(region, shape)


def _require_shape(pixels: NDArray[Any], picture: Picture, image: Picture, shape: tuple[int, ...]) -> None:
    if pixels.shape != shape:
        raise MaskSizeError(
            f"{picture}: the mask is {_size(pixels.shape)} pixels but its image {image} is {_size(shape)}; "
            "a mask must have its image's size: export it again at that size or leave the pair out"
        )


def _two_levels(pixels: NDArray[Any], picture: Picture) -> Mask:
    values = np.unique(pixels)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        raise MaskError(
            f"{picture}: the mask has the values {_listed(values)}; expected two levels, 0 and one other: "
            "save it as a lossless PNG without blending at the edges"
        )
    return pixels > 0


def labelled(pixels: NDArray[Any], labels: tuple[int, ...], path: Path) -> Mask:
    """Where a label map of any dimension holds one of ``labels``; it may hold nothing else but 0."""
    values = np.unique(pixels)
    if not np.isin(values, (0, *labels)).all():
        raise MaskError(f"{path}: the mask has the values {_listed(values)}; expected the labels 0, {_listed(labels)}")
    return np.asarray(pixels > 0)


def _listed(values: Iterable[Any]) -> str:
    shown = [str(value) for value in values]
    return ", ".join(shown[:6]) + (", ..." if len(shown) > 6 else "")


def read_case(case: Case, regions: list[str]) -> tuple[Gray, Mask]:
    """The image [H, W] and its masks [K, H, W], at the size they were published."""
    image = read_image(case.image)
    masks = [read_mask(case.masks[region], case.image, image.shape) for region in regions]
    return image, np.stack(masks) if masks else np.zeros((0, *image.shape), np.bool_)


def resize_image(image: Gray, size: int) -> Gray:
    """[size, size]; averaged over areas when it shrinks, so that nothing aliases."""
    if image.shape == (size, size):
        return image
    shrinks = size < min(image.shape)
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size, size), interpolation=how), np.uint8)


def resize_masks(masks: Mask, size: int) -> Mask:
    """[K, size, size]; a pixel belongs to the region where at least half of it did."""
    if masks.shape[1:] == (size, size):
        return masks
    resized = [resize_plane(mask, (size, size)) for mask in masks]
    return np.stack(resized) if resized else np.zeros((0, size, size), np.bool_)


def resize_plane(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """[H, W] -> ``shape``, as ``resize_masks``."""
    how = cv2.INTER_AREA if min(shape) < min(mask.shape) else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=how) >= 0.5)


def decode(path: Path) -> NDArray[Any]:
    """[H, W] of any number type, as a viewer shows it; colour becomes grey, a DICOM's window is applied."""
    if ending(path) in (".dcm", ".dicom"):
        return dicom.read(path)
    if ending(path) in (".nii", ".nii.gz"):
        return nifti.read_plane(path)
    return raster.read(path)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in reversed(shape))
