"""Reads the grey values that a file of an image holds, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UserError


def require_numbers(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Refuse what is no grey value: NaN and infinity, colours, complex numbers, no pixel at all."""
    if pixels.size == 0 or pixels.dtype.kind not in "biuf":
        what = "no pixel" if pixels.size == 0 else f"values of type {pixels.dtype}"
        raise UserError(f"{path}: holds {what}; expected the grey values of one image")
    if pixels.dtype.kind == "f" and not (usable := np.isfinite(pixels)).all():
        number = int(pixels.size - usable.sum())
        raise UserError(
            f"{path}: {number} of {pixels.size} values {'is' if number == 1 else 'are'} NaN or infinite, no "
            "brightness; put a number there (that of the background) and save it again, or remove the file"
        )
    return pixels
