"""The same cases predicted in two ways: what the second gains over the first, and how surely."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lungseg.data.case import Case
from lungseg.evaluation.score_cases import Predict
from lungseg.metrics import overlap
from lungseg.metrics.stats.few_patients import few_patients
from lungseg.metrics.stats.multiple_testing import SURE, holm, sure
from lungseg.metrics.stats.paired import Paired, compare
from lungseg.metrics.stats.patient_weights import Weight, effective_patients, weighted, weighted_mean
from lungseg.tasks.segmentation.case_table import count


@dataclass(frozen=True)
class Outcome:
    """By case and region [N, K].

    Dice (NaN: no reference), whether anything was invented (NaN: a reference), and how many pixels were predicted.
    """

    dice: NDArray[np.float64]
    alarm: NDArray[np.float64]
    area: NDArray[np.int64]


@dataclass(frozen=True)
class PairedChange:
    """Holds mean Dice and share of false alarms of one region, plain and changed, and changed minus plain, by case.

    ``dice_p``, ``alarms_p``: corrected by Holm for all ``tests`` of the question. ``dice_effective``: the effective
    patients behind the interval.
    """

    region: str
    plain: float
    changed: float
    dice: Paired
    plain_alarms: float
    changed_alarms: float
    alarms: Paired
    dice_p: float
    alarms_p: float
    dice_effective: float
    tests: int = 1


def outcome(predict: Predict, cases: Sequence[Case], threshold: float) -> Outcome:
    counts = np.stack([count(found.mask(threshold), loaded.masks) for loaded, found in predict(cases)])
    return outcome_of(counts)


def outcome_of(counts: NDArray[np.int64]) -> Outcome:
    """[N, K, 4]."""
    dice = overlap.dice(counts)
    alarm = np.where(np.isnan(dice), counts[..., 1] > 0, np.nan)
    return Outcome(dice, alarm, counts[..., 0] + counts[..., 1])


def gains(
    plain: Outcome, changed: Outcome, regions: Sequence[str], patients: Sequence[str], weight: Weight = "images"
) -> list[PairedChange]:
    """Compares both in each region; p is corrected for these alone, see ``corrected``."""
    found = []
    for k, region in enumerate(regions):
        dice, alarms = (plain.dice[:, k], changed.dice[:, k]), (plain.alarm[:, k], changed.alarm[:, k])
        found.append(_gain(region, dice, alarms, patients, weight))
    return corrected(found)


def _gain(
    region: str,
    dice: tuple[NDArray[np.float64], NDArray[np.float64]],
    alarms: tuple[NDArray[np.float64], NDArray[np.float64]],
    patients: Sequence[str],
    weight: Weight,
) -> PairedChange:
    """Compares one region; of each pair [N] plain comes first."""
    found, invented = (_compare(pair, patients, weight) for pair in (dice, alarms))
    before, after, alarms_before, alarms_after = (_mean(values, patients, weight) for values in (*dice, *alarms))
    return PairedChange(
        region,
        before,
        after,
        found,
        alarms_before,
        alarms_after,
        invented,
        found.p,
        invented.p,
        effective_patients(dice[0], patients, weight),
    )


def _compare(pair: tuple[NDArray[np.float64], NDArray[np.float64]], patients: Sequence[str], weight: Weight) -> Paired:
    rows, owners = weighted(np.stack(pair, axis=1), patients, weight)
    return compare(rows[:, 1], rows[:, 0], owners)


def corrected(found: Sequence[PairedChange]) -> list[PairedChange]:
    """Corrects p for all tests of ``found`` together: whoever asks of several regions or members sees them all."""
    p = np.array([[one.dice.p, one.alarms.p] for one in found]).reshape(-1, 2)
    adjusted = holm(p.ravel()).reshape(p.shape)
    tests = int((~np.isnan(p)).sum())
    return [
        replace(one, dice_p=float(dice), alarms_p=float(alarms), tests=tests)
        for one, (dice, alarms) in zip(found, adjusted.tolist(), strict=True)
    ]


def is_sure(found: Paired, p: float) -> bool:
    """Tells by the project's one definition; ``p`` is corrected."""
    return bool(sure(np.array(p), np.array(found.low), np.array(found.high)))


def could_be_sure(found: Paired, tests: int = 1) -> bool:
    """Tells whether there are patients enough for a p that ``tests`` tests leave below 0.05.

    Swapping every patient's scores has 2 to the number of patients outcomes, and at best two are as extreme.
    """
    return tests * 2.0 ** (1 - found.patients) < SURE


def said(gain: PairedChange) -> str:
    """Tells Dice, and false alarms where there may be any; changed minus plain."""
    parts = []
    if not math.isnan(gain.dice.difference):
        parts.append(
            f"Dice {gain.plain:.3f} -> {gain.changed:.3f} ({_change(gain.dice)}, {_p(gain.dice_p, gain.tests)}): "
            f"{_verdict(gain.dice, gain.dice_p, gain.tests, ('better', 'worse'))}."
        )
    if not math.isnan(gain.plain_alarms):
        parts.append(
            f"False alarms {gain.plain_alarms:.0%} -> {gain.changed_alarms:.0%} ({_p(gain.alarms_p, gain.tests)}): "
            f"{_verdict(gain.alarms, gain.alarms_p, gain.tests, ('more', 'fewer'))}."
        )
    few = "" if math.isnan(gain.dice.low) else few_patients({"Dice": gain.dice_effective})
    return f"{gain.region}: {' '.join(parts)}{f' {few[0].upper()}{few[1:]}.' if few else ''}"


def _change(found: Paired) -> str:
    """Writes the difference; where all patients change alike there is no interval."""
    if not math.isnan(found.low):
        return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    if found.patients == 1:
        return f"{found.difference:+.3f}"
    return f"{found.difference:+.3f} in every patient" if found.difference else "the same in every patient"


def _p(p: float, tests: int) -> str:
    return ("p < 0.001" if p < 0.001 else f"p = {p:.3f}") + (f" corrected for {tests} tests" if tests > 1 else "")


def _verdict(found: Paired, p: float, tests: int, names: tuple[str, str]) -> str:
    if is_sure(found, p):
        return f"surely {names[0] if found.difference > 0 else names[1]}"
    if not could_be_sure(found, tests):
        return f"{found.patients} {'patient is' if found.patients == 1 else 'patients are'} too few to tell"
    return "no sure difference"


def _mean(values: NDArray[np.float64], patients: Sequence[str], weight: Weight) -> float:
    if weight == "patients":
        return weighted_mean(values, patients, weight)
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
