"""What needs no net: a score means something only beside these."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.data.read import Mask
from lungseg.files import replaced

THRESHOLDS = np.linspace(0.05, 0.95, 19)


def mean_mask(train_masks: Sequence[Mask] | Mask, val_masks: Sequence[Mask] | Mask) -> Mask:
    """[K, S, S]: where the training masks' mean is above the threshold with the best Dice on the validation cases."""
    mean: NDArray[np.float64] = np.asarray(train_masks).mean(axis=0, dtype=np.float64)
    reference = np.asarray(val_masks)
    chosen = []
    for k in range(len(mean)):
        there = reference[:, k][reference[:, k].any((1, 2))]
        candidates = [mean[k] >= threshold for threshold in THRESHOLDS]
        chosen.append(candidates[int(np.argmax([_dice(mask, there) for mask in candidates]))])
    return np.stack(chosen)


def _dice(mask: Mask, references: Mask) -> float:
    both = (mask & references).sum((1, 2))
    dice = 2 * both / np.maximum(mask.sum() + references.sum((1, 2)), 1)
    return float(dice.mean()) if len(dice) else 0.0


def save_mean_mask(mask: Mask, path: Path) -> None:
    with replaced(path) as partial:
        np.savez_compressed(partial, mask=mask)


def load_mean_mask(path: Path) -> Mask:
    with np.load(path, allow_pickle=False) as content:
        mask: Mask = content["mask"].astype(np.bool_)
    return mask


def mask_at(mask: Mask, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """[K, S, S] -> [K, H, W]."""
    height, width = shape
    planes = [cv2.resize(plane.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) for plane in mask]
    return np.stack(planes) >= 0.5
