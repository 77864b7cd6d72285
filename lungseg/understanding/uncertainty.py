"""How unsure a net is, and whether it is unsure where it is wrong."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lungseg.data.case import Case
from lungseg.data.read import Mask
from lungseg.evaluation.cases import count
from lungseg.metrics import overlap
from lungseg.visualize import PANEL, PAPER, Overlay, Rgb, caption_bar, draw_case

BINS = 256
REFERRED = (0.1, 0.2, 0.3)  # shares of the cases that a person would look at instead


@dataclass(frozen=True)
class Unsure:
    """One case: how unsure the net is of it, its Dice (NaN: no reference), and what is drawn of it."""

    case: Case
    uncertainty: float
    dice: float


class Uncertainty:
    """Of one region, collected case by case: entropy in bits, 0 sure to 1 a coin."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.cases: list[Unsure] = []
        self.pixels = np.zeros((2, BINS), np.int64)  # right and wrong ones, by entropy

    def add(self, case: Case, probabilities: NDArray[np.float32], reference: Mask, threshold: float) -> None:
        """[H, W] twice. A case's uncertainty is its entropy over all pixels per pixel that may be of the region."""
        unsure, prediction = entropy(probabilities), probabilities > threshold
        bins = np.minimum((unsure * BINS).astype(np.intp), BINS - 1)
        wrong = prediction != reference
        self.pixels[0] += np.bincount(bins[~wrong], minlength=BINS)
        self.pixels[1] += np.bincount(bins[wrong], minlength=BINS)
        expected = max(float(probabilities.sum()), 1.0)
        dice = float(overlap.dice(count(prediction[None], reference[None]))[0])
        self.cases.append(Unsure(case, float(unsure.sum()) / expected, dice))

    def summary(self) -> dict[str, Any]:
        """``auroc``: chance that a wrong pixel is less sure than a right one; the rest is over cases."""
        scored = [one for one in self.cases if not math.isnan(one.dice)]
        unsure, dice = np.array([one.uncertainty for one in scored]), np.array([one.dice for one in scored])
        order = np.argsort(unsure, kind="stable")
        enough = len(scored) > 2 and np.ptp(unsure) > 0 and np.ptp(dice) > 0
        kept = {
            f"{share:.0%}": _mean(dice[order[: len(order) - round(share * len(order))]]) for share in (0.0, *REFERRED)
        }
        return {
            "auroc": auroc(self.pixels),
            "spearman": float(stats.spearmanr(unsure, dice).statistic) if enough else float("nan"),
            "dice_without_the_least_sure": kept,
            "cases": len(scored),
        }

    def least_sure(self, number: int) -> list[Case]:
        ranked = sorted(self.cases, key=lambda one: (-one.uncertainty, one.case.id))
        return [one.case for one in ranked[:number]]


def entropy(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """In bits."""
    p = probabilities.astype(np.float64).clip(1e-12, 1 - 1e-12)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def auroc(pixels: NDArray[np.int64]) -> float:
    """[2, BINS] of right and wrong ones -> chance that a wrong one lies higher; NaN if a kind has none."""
    right, wrong = pixels.astype(np.float64)
    if not right.sum() or not wrong.sum():
        return float("nan")
    below = np.cumsum(right) - right
    return float((wrong * (below + right / 2)).sum() / (right.sum() * wrong.sum()))


def draw_uncertainty(shown: Iterable[tuple[Overlay, NDArray[np.float32]]], region: str) -> Rgb:
    """For each case: image, contours, errors, and the map of its entropy [H, W]: black is sure, white is not."""
    strips = []
    for overlay, probabilities in shown:
        strip = draw_case(overlay)
        scale = PANEL / max(probabilities.shape)
        size = (max(round(probabilities.shape[1] * scale), 1), max(round(probabilities.shape[0] * scale), 1))
        small = cv2.resize((entropy(probabilities) * 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
        panel = np.full((len(strip), PANEL, 3), PAPER, np.uint8)
        coloured = cv2.applyColorMap(np.asarray(small, np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        top = len(strip) - PANEL
        panel[top : top + size[1], : size[0]] = coloured
        strips.append(np.concatenate([strip, panel], axis=1))
    title = caption_bar(strips[0].shape[1], f"least sure of the {region}: image, contours, errors, uncertainty", 20)
    return np.concatenate([title, *strips])


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
