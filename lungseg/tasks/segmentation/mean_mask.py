"""What needs no net: a score means something only beside these."""

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.core.atomic_io import replaced
from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import read_plain_file

LARGEST = 2**26  # bytes of the file
BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, NotImplementedError,
          RuntimeError, zipfile.BadZipFile, zlib.error)  # fmt: skip
THRESHOLDS = np.linspace(0.05, 0.95, 19)


def mean_mask(train: Iterable[Mask], val: Iterable[Mask]) -> Mask:
    """[K, ...]: where the training masks' mean is above the threshold with the best Dice on the validation cases.

    Both come as parts [n, K, ...]; cases without the region choose no threshold.
    """
    total, number = 0.0, 0
    for part in train:
        total, number = total + part.sum(axis=0, dtype=np.float64), number + len(part)
    candidates = np.asarray(total / number) >= THRESHOLDS.reshape(-1, *[1] * np.ndim(total))
    scores = np.zeros(candidates.shape[:2])
    for part in val:
        for k in range(candidates.shape[1]):
            scores[:, k] += _dice(candidates[:, k], part[:, k])
    return np.stack([candidates[best, k] for k, best in enumerate(scores.argmax(axis=0))])


def _dice(candidates: Mask, references: Mask) -> NDArray[np.float64]:
    """[T, ...] and [n, ...] -> [T]: the sum over those references that are not empty."""
    flat, there = candidates.reshape(len(candidates), -1), references.reshape(len(references), -1)
    there = there[there.any(axis=1)]
    both = flat.astype(np.float32) @ there.T.astype(np.float32)
    sizes = flat.sum(axis=1)[:, None] + there.sum(axis=1)
    found: NDArray[np.float64] = (2 * both / np.maximum(sizes, 1)).sum(axis=1, dtype=np.float64)
    return found


def save_mean_mask(mask: Mask, path: Path) -> None:
    with replaced(path) as partial:
        np.savez_compressed(partial, mask=mask)


def load_mean_mask(path: Path, regions: int | None = None) -> Mask:
    """Reads the mask [K, ...] of so many ``regions``; anything else is refused, and nothing in it is run."""
    try:
        with np.load(io.BytesIO(read_plain_file(path, LARGEST)), allow_pickle=False) as content:
            mask: Mask = content["mask"]
        if (
            mask.dtype != np.bool_
            or mask.ndim not in (3, 4)
            or (regions is not None and len(mask) != regions)
            or mask.size == 0
        ):
            expected = f"bool [{regions or 'K'}, ...]"
            raise ValueError(f"it holds {mask.dtype} of shape {mask.shape}, expected {expected}")
    except BROKEN as error:
        said = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:200]
        raise UserError(f"{path}: cannot be read ({said}); restore it or train again") from None
    return mask
