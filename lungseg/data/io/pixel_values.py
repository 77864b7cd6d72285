"""Reads the grey values that a file of an image holds, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.errors import DataError

LEVELS = 256
NEARLY_ALL = 0.95  # share of an image's pixels
FEW = 16  # different numbers; an image of no more loses little in two grey levels


def require_numbers(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Refuse what is no grey value: NaN and infinity, colours, complex numbers, no pixel at all."""
    if pixels.size == 0 or pixels.dtype.kind not in "biuf":
        what = "no pixel" if pixels.size == 0 else f"values of type {pixels.dtype}"
        raise DataError(f"{path}: holds {what}; expected the grey values of one image")
    if pixels.dtype.kind == "f" and not (usable := np.isfinite(pixels)).all():
        number = int(pixels.size - usable.sum())
        raise DataError(
            f"{path}: {number} of {pixels.size} values {'is' if number == 1 else 'are'} NaN or infinite, no "
            "brightness; put a number there (that of the background) and save it again, or remove the file"
        )
    return pixels


def require_spread(pixels: NDArray[Any], low: float, high: float, path: Path) -> None:
    """Refuses an image of which few values are so far away that nearly all others share two grey levels.

    ``low`` and ``high`` are shown black and white.
    """
    if not high > low:
        return
    width = (high - low) / LEVELS
    counts = np.histogram(np.clip(pixels, low, high), LEVELS, (low, high))[0]
    pairs = counts[:-1] + counts[1:]
    place = int(pairs.argmax())
    if pairs[place] < NEARLY_ALL * pixels.size:
        return
    from_, to = low + place * width, low + (place + 2) * width
    squeezed = pixels[(pixels >= from_) & (pixels <= to)]
    if len(np.unique(squeezed)) <= FEW:
        return
    middle = float(np.median(squeezed))
    farthest = max(float(pixels.min()), float(pixels.max()), key=lambda value: abs(value - middle))
    raise DataError(
        f"{path}: values as far away as {farthest:g} leave {len(squeezed) / pixels.size:.1%} of it in two of {LEVELS} "
        "grey levels, so nothing can be seen; put the background's number there and save it again, or remove the file"
    )
