"""The same cases predicted in two ways: what the second gains over the first, and how surely."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.data.case import Case
from lungseg.evaluation.cases import count
from lungseg.evaluation.judge import Predict
from lungseg.metrics import overlap
from lungseg.statistics.paired import Paired, compare

SURE = 0.05


@dataclass(frozen=True)
class Outcome:
    """By case and region [N, K]: Dice (NaN: no reference), and whether anything was invented (NaN: a reference)."""

    dice: NDArray[np.float64]
    alarm: NDArray[np.float64]


@dataclass(frozen=True)
class Gain:
    """Of one region: mean Dice and share of false alarms, plain and changed, and changed minus plain, by case."""

    region: str
    plain: float
    changed: float
    dice: Paired
    plain_alarms: float
    changed_alarms: float
    alarms: Paired

    @property
    def sure(self) -> bool:
        return bool(self.dice.p < SURE)


def outcome(predict: Predict, cases: Sequence[Case], threshold: float) -> Outcome:
    counts = np.stack([count(one > threshold, reference) for _, _, reference, one in predict(cases)])
    return outcome_of(counts)


def outcome_of(counts: NDArray[np.int64]) -> Outcome:
    """[N, K, 4]."""
    dice = overlap.dice(counts)
    return Outcome(dice, np.where(np.isnan(dice), counts[..., 1] > 0, np.nan))


def gains(plain: Outcome, changed: Outcome, regions: Sequence[str], patients: Sequence[str]) -> list[Gain]:
    """For each region."""
    return [
        Gain(
            region,
            _mean(plain.dice[:, k]),
            _mean(changed.dice[:, k]),
            compare(changed.dice[:, k], plain.dice[:, k], patients),
            _mean(plain.alarm[:, k]),
            _mean(changed.alarm[:, k]),
            compare(changed.alarm[:, k], plain.alarm[:, k], patients),
        )
        for k, region in enumerate(regions)
    ]


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
