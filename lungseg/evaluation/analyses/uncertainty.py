"""Asks how unsure a net is, and whether it is unsure where it is wrong."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungseg.core.arrays import Mask
from lungseg.core.atomic_io import replaced
from lungseg.core.plural import plural
from lungseg.data.case import Case
from lungseg.data.visualize.overlay import CAPTION, PANEL, PAPER, Overlay, Rgb, caption_bar, draw_sheet
from lungseg.evaluation.analyses.subject import Answer, Subject
from lungseg.metrics import overlap
from lungseg.metrics.stats.agreement import spearman
from lungseg.tasks.segmentation.case_table import count
from lungseg.tasks.segmentation.task import Segmentation

BINS = 256
SHOWN = 5  # cases in the picture
REFERRED = (0.1, 0.2, 0.3)  # shares of the cases that a person would look at instead


@dataclass(frozen=True)
class Unsure:
    """Holds of one case how unsure the net is of it, its Dice (NaN: no reference), and what is drawn of it."""

    case: Case
    uncertainty: float
    dice: float


class Uncertainty:
    """Collects, of one region, case by case: entropy in bits, 0 sure to 1 a coin."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.cases: list[Unsure] = []
        self.pixels = np.zeros((2, BINS), np.int64)  # right and wrong ones, by entropy

    def add(self, case: Case, probabilities: NDArray[np.float32], reference: Mask, threshold: float) -> None:
        """Adds a case, [H, W] twice. Its uncertainty is its entropy per pixel that may be of the region."""
        unsure, prediction = entropy(probabilities), probabilities > threshold
        bins = np.minimum((unsure * BINS).astype(np.intp), BINS - 1)
        wrong = prediction != reference
        self.pixels[0] += np.bincount(bins[~wrong], minlength=BINS)
        self.pixels[1] += np.bincount(bins[wrong], minlength=BINS)
        expected = max(float(probabilities.sum()), 1.0)
        dice = float(overlap.dice(count(prediction[None], reference[None]))[0])
        self.cases.append(Unsure(case, float(unsure.sum()) / expected, dice))

    def summary(self) -> dict[str, Any]:
        """Returns ``auroc``: chance that a wrong pixel is less sure than a right one; the rest is over cases."""
        scored = [one for one in self.cases if not math.isnan(one.dice)]
        unsure, dice = np.array([one.uncertainty for one in scored]), np.array([one.dice for one in scored])
        order = np.argsort(unsure, kind="stable")
        enough = len(scored) > 2 and np.ptp(unsure) > 0 and np.ptp(dice) > 0
        kept = {
            f"{share:.0%}": _mean(dice[order[: len(order) - round(share * len(order))]]) for share in (0.0, *REFERRED)
        }
        return {
            "auroc": auroc(self.pixels),
            "spearman": spearman(unsure, dice) if enough else float("nan"),
            "dice_without_the_least_sure": kept,
            "cases": len(scored),
        }

    def least_sure(self, number: int) -> list[Case]:
        ranked = sorted(self.cases, key=lambda one: (-one.uncertainty, one.case.id))
        return [one.case for one in ranked[:number]]


def entropy(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Returns the entropy in bits."""
    p = probabilities.astype(np.float64).clip(1e-12, 1 - 1e-12)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def auroc(pixels: NDArray[np.int64]) -> float:
    """Takes [2, BINS] of right and wrong ones -> chance that a wrong one lies higher; NaN if a kind has none."""
    right, wrong = pixels.astype(np.float64)
    if not right.sum() or not wrong.sum():
        return float("nan")
    below = np.cumsum(right) - right
    return float((wrong * (below + right / 2)).sum() / (right.sum() * wrong.sum()))


def draw_uncertainty(shown: Sequence[tuple[Overlay, NDArray[np.float32]]], region: str) -> Rgb:
    """Draws for each case: image, contours, errors, and the map of its entropy [H, W]; below, what colours mean."""
    sheet = draw_sheet([overlay for overlay, _ in shown], f"the cases whose {region} it is least sure of")
    gap = np.full((CAPTION, PANEL, 3), PAPER, np.uint8)
    column = [gap]
    for _, probabilities in shown:
        column += [caption_bar(PANEL, "uncertainty", 16), _map(probabilities)]
    return np.concatenate([sheet, np.concatenate([*column, _scale()])], axis=1)


def _map(probabilities: NDArray[np.float32]) -> Rgb:
    """Returns [PANEL, PANEL, 3], centred as the panels beside it."""
    height, width = probabilities.shape
    scale = PANEL / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(entropy(probabilities).astype(np.float32), size, interpolation=how)
    panel = np.full((PANEL, PANEL, 3), PAPER, np.uint8)
    top, left = (PANEL - size[1]) // 2, (PANEL - size[0]) // 2
    panel[top : top + size[1], left : left + size[0]] = _coloured(np.asarray(small, np.float32))
    return panel


def _coloured(entropies: NDArray[np.floating[Any]]) -> Rgb:
    levels = np.asarray((entropies * 255).round().clip(0, 255), np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1], np.uint8)


def _scale() -> Rgb:
    """Draws the colours from sure to unsure."""
    sure, unsure = caption_bar(70, "sure", 15), caption_bar(90, "a coin", 15)
    bar = np.full((CAPTION, PANEL - 160, 3), PAPER, np.uint8)
    bar[CAPTION // 2 - 7 : CAPTION // 2 + 7] = _coloured(np.linspace(0, 1, PANEL - 160)[None])
    return np.concatenate([sure, bar, unsure], axis=1)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def uncertainty(subject: Subject) -> Answer:
    collected = [Uncertainty(region) for region in subject.regions.names]
    for loaded, prediction in subject.predict(subject.cases):
        for k, one in enumerate(collected):
            one.add(loaded.case, prediction.probabilities[k], loaded.masks[k], subject.threshold)
    lines, numbers = [], {}
    for k, one in enumerate(collected):
        numbers[one.region] = summary = one.summary()
        lines += [f"{one.region}: {said}" for said in _uncertainty_said(summary)]
        lines.append(f"{one.region}: the least sure cases with their maps are in {_draw(subject, one, k)}")
    return Answer("Is it unsure where it is wrong?", lines, numbers)


def _uncertainty_said(summary: dict[str, Any]) -> Iterator[str]:
    """Says a score, or nothing where no case defines it."""
    kept = summary["dice_without_the_least_sure"]
    if not math.isnan(summary["auroc"]):
        yield f"a wrong pixel is less sure than a right one {summary['auroc']:.0%} of the time (50% by chance)."
    if not math.isnan(summary["spearman"]):
        yield (
            f"over {plural(summary['cases'], 'case')}, uncertainty and Dice have a rank correlation of "
            f"{summary['spearman']:.2f} "
            f"(-1 is best); without the least sure fifth mean Dice is {kept['20%']:.3f} instead of {kept['0%']:.3f}."
        )


def _draw(subject: Subject, one: Uncertainty, k: int) -> Path:
    shown: list[tuple[Any, NDArray[Any]]] = []
    alone = Segmentation(one.region, [one.region], {})
    for loaded, prediction in subject.predict(one.least_sure(SHOWN)):
        probabilities = prediction.probabilities[k]
        single = replace(loaded, masks=loaded.masks[k : k + 1]), prediction.but(probabilities[None])
        shown.append((alone.draw_case(single[1], single[0], subject.threshold), probabilities))
    path = subject.directory / f"uncertainty-{one.region}.png"
    with replaced(path, lasting=False) as partial:
        Image.fromarray(draw_uncertainty(shown, one.region)).save(partial)
    return path
