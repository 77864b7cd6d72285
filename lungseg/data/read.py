"""A picture on disk, or computed, as an array; whatever is wrong with the file is said with its path."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lungseg.data.case import Case, Picture
from lungseg.errors import UserError

Gray = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def read_image(picture: Picture) -> Gray:
    """[H, W] uint8. Colour becomes grey; more than 8 bits are stretched from the 0.1st to the 99.9th percentile."""
    pixels = picture.read() if not isinstance(picture, Path) else _decode(picture)
    if pixels.dtype in (np.uint8, np.bool_):
        grey: Gray = pixels.astype(np.uint8) * np.uint8(255 if pixels.dtype == np.bool_ else 1)
        return grey
    low, high = np.percentile(pixels, (0.1, 99.9))
    scaled = (pixels.astype(np.float64) - low) / max(float(high - low), 1e-12)
    stretched: Gray = np.round(scaled.clip(0, 1) * 255).astype(np.uint8)
    return stretched


def read_mask(picture: Picture, image: Picture, shape: tuple[int, ...]) -> Mask:
    """[H, W] bool. The file must have the image's ``shape`` and at most two levels, the lower one 0."""
    pixels = picture.read() if not isinstance(picture, Path) else _decode(picture)
    if pixels.shape != shape:
        raise UserError(
            f"{picture}: the mask is {_size(pixels.shape)} pixels but its image {image} is {_size(shape)}; "
            "a mask must have its image's size: export it again at that size or leave the pair out"
        )
    values = np.unique(pixels)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0):
        shown = ", ".join(str(value) for value in values[:6]) + (", ..." if len(values) > 6 else "")
        raise UserError(
            f"{picture}: the mask has the values {shown}; expected two levels, 0 and one other: "
            "save it as a lossless PNG without blending at the edges"
        )
    return pixels > 0


def read_case(case: Case, regions: list[str]) -> tuple[Gray, Mask]:
    """The image [H, W] and its masks [K, H, W], at the size they were published."""
    image = read_image(case.image)
    masks = [read_mask(case.masks[region], case.image, image.shape) for region in regions]
    return image, np.stack(masks)


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
    shrinks = size < min(masks.shape[1:])
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.stack([cv2.resize(mask.astype(np.float32), (size, size), interpolation=how) >= 0.5 for mask in masks])


def _decode(path: Path) -> NDArray[Any]:
    try:
        with Image.open(path) as file:
            file.load()
            if file.mode in ("RGB", "RGBA", "LA", "PA", "P", "CMYK", "YCbCr"):
                return np.asarray(file.convert("RGB").convert("L"))
            return np.asarray(file)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the data changed while it was read, start again") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: cannot be decoded as an image ({_without_path(reason, path)}); "
            "copy or download the file again, or remove it"
        ) from None


def _without_path(reason: str, path: Path) -> str:
    return reason.replace(repr(str(path)), "the file").replace(str(path), "the file")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in reversed(shape))
