"""Every case's numbers: the rows of cases.csv, and what they come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.data.case import Case
from lungseg.data.read import Mask
from lungseg.metrics import overlap

METRICS = {
    "dice": overlap.dice,
    "iou": overlap.iou,
    "precision": overlap.precision,
    "recall": overlap.recall,
    "specificity": overlap.specificity,
}


@dataclass(frozen=True)
class Judged:
    """A case and its pixels [K, 4]: true positive, false positive, false negative, true negative, at its own size."""

    case: Case
    counts: NDArray[np.int64]

    def row(self, regions: Sequence[str]) -> dict[str, Any]:
        """Id, patient, class, then each region's metrics and areas in pixels; a metric that is undefined is empty."""
        row: dict[str, Any] = {"id": self.case.id, "patient": self.case.patient, "class": self.case.label}
        for region, counts in zip(regions, self.counts, strict=True):
            for name, metric in METRICS.items():
                value = float(metric(counts))
                row[f"{region}_{name}"] = None if np.isnan(value) else round(value, 6)
            row[f"{region}_reference_area"] = int(counts[0] + counts[2])
            row[f"{region}_predicted_area"] = int(counts[0] + counts[1])
        row["image_area"] = int(self.counts[0].sum())
        return row


def count(prediction: Mask, reference: Mask) -> NDArray[np.int64]:
    """[K, H, W] twice -> [K, 4]."""
    both = (prediction & reference).sum((1, 2))
    found, there = prediction.sum((1, 2)), reference.sum((1, 2))
    everything = np.full_like(both, prediction[0].size)
    counts = np.stack([both, found - both, there - both, everything - found - there + both], axis=1)
    return counts.astype(np.int64)


def summarise(judged: Sequence[Judged], regions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Region -> means over cases with intervals over patients; see ``overlap.summarise``."""
    counts = np.stack([one.counts for one in judged])
    return overlap.summarise(counts, regions, [one.case.patient for one in judged])


def worst_median_best(judged: Sequence[Judged], number: int = 3) -> dict[str, list[Judged]]:
    """Cases by mean Dice over their regions; one without any reference counts 0 for a false alarm, else is left out."""
    scored = [(score, one) for one in judged if not np.isnan(score := _score(one.counts))]
    scored.sort(key=lambda pair: (pair[0], pair[1].case.id))
    ranked = [one for _, one in scored]
    number = min(number, max(len(ranked) // 3, 1))
    middle = max((len(ranked) - number) // 2, 0)
    return {
        "worst": ranked[:number],
        "median": ranked[middle : middle + number],
        "best": ranked[len(ranked) - number :][::-1],
    }


def _score(counts: NDArray[np.int64]) -> float:
    values = overlap.dice(counts)
    invented = np.isnan(values) & (counts[:, 1] > 0)
    values = np.where(invented, 0.0, values)
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
