"""The same cases predicted in two ways: what the second gains over the first, and how surely."""

import math
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
    """By case and region [N, K].

    Dice (NaN: no reference), whether anything was invented (NaN: a reference), and how many pixels were predicted.
    """

    dice: NDArray[np.float64]
    alarm: NDArray[np.float64]
    area: NDArray[np.int64]


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


def outcome(predict: Predict, cases: Sequence[Case], threshold: float) -> Outcome:
    counts = np.stack([count(one > threshold, reference) for _, _, reference, one in predict(cases)])
    return outcome_of(counts)


def outcome_of(counts: NDArray[np.int64]) -> Outcome:
    """[N, K, 4]."""
    dice = overlap.dice(counts)
    alarm = np.where(np.isnan(dice), counts[..., 1] > 0, np.nan)
    return Outcome(dice, alarm, counts[..., 0] + counts[..., 1])


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


def is_sure(found: Paired) -> bool:
    return bool(found.p < SURE)


def could_be_sure(found: Paired) -> bool:
    """Swapping every patient's scores has 2 to the number of patients outcomes, and at best two are as extreme."""
    return 2.0 ** (1 - found.patients) < SURE


def said(gain: Gain) -> str:
    """Dice, and false alarms where there may be any; changed minus plain."""
    parts = []
    if not math.isnan(gain.dice.difference):
        low, high = gain.dice.low, gain.dice.high
        interval = "" if math.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"
        parts.append(
            f"Dice {gain.plain:.3f} -> {gain.changed:.3f} ({gain.dice.difference:+.3f}{interval}, "
            f"{_p(gain.dice)}): {_verdict(gain.dice, 'better', 'worse')}."
        )
    if not math.isnan(gain.plain_alarms):
        parts.append(
            f"False alarms {gain.plain_alarms:.0%} -> {gain.changed_alarms:.0%} "
            f"({_p(gain.alarms)}): {_verdict(gain.alarms, 'more', 'fewer')}."
        )
    return f"{gain.region}: {' '.join(parts)}"


def _p(found: Paired) -> str:
    return "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"


def _verdict(found: Paired, above: str, below: str) -> str:
    if is_sure(found):
        return f"surely {above if found.difference > 0 else below}"
    if not could_be_sure(found):
        return f"{found.patients} {'patient is' if found.patients == 1 else 'patients are'} too few to tell"
    return "no sure difference"


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
