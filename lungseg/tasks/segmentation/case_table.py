"""Sums up every case's pixels and further numbers, region by region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.data.case import Case
from lungseg.metrics import calibration, overlap
from lungseg.metrics.stats.agreement import bland_altman
from lungseg.metrics.stats.bootstrap import mean_interval
from lungseg.metrics.stats.patient_weights import Floats, Weight, effective_patients, weighted_mean
from lungseg.metrics.stats.proportions import share_interval
from lungseg.tasks.segmentation.columns import AREAS, LESIONS, METRICS
from lungseg.tasks.segmentation.columns import SEVERITY as SEVERITIES

COUNTED = tuple(one.name for one in LESIONS if one.total == "sum")
SEVERITY = tuple(one.name for one in SEVERITIES)


@dataclass(frozen=True, eq=False)
class Judged:
    """A case and its pixels [K, 4]: true positive, false positive, false negative, true negative, at its own size.

    ``further`` [K] are each region's other numbers by name; NaN is undefined. ``reliability`` [K] counts pixels by
    their probability.
    """

    case: Case
    counts: NDArray[np.int64]
    further: Sequence[Mapping[str, float]] = ()
    reliability: Sequence[calibration.Reliability] = ()

    @property
    def values(self) -> list[dict[str, float]]:
        """Returns each region's numbers by the names of their columns, areas in pixels among them."""
        values = []
        for counts, more in zip(self.counts, self.further or [{}] * len(self.counts), strict=True):
            numbers: dict[str, float] = {name: float(metric(counts)) for name, metric in METRICS.items()}
            numbers |= {name: int(value) if name in COUNTED else value for name, value in more.items()}
            areas = (counts[0] + counts[2], counts[0] + counts[1])
            values.append(numbers | {area.name: int(pixels) for area, pixels in zip(AREAS, areas, strict=True)})
        return values

    @property
    def pixels(self) -> int:
        """Returns the size of the image."""
        return int(self.counts[0].sum())


def count(prediction: Mask, reference: Mask) -> NDArray[np.int64]:
    """Takes [K, H, W] or [K, Z, Y, X] twice -> [K, 4]."""
    axes = tuple(range(1, prediction.ndim))
    both = (prediction & reference).sum(axes)
    found, there = prediction.sum(axes), reference.sum(axes)
    everything = np.full_like(both, prediction[0].size)
    counts = np.stack([both, found - both, there - both, everything - found - there + both], axis=1)
    return counts.astype(np.int64)


def summarise(judged: Sequence[Judged], regions: Sequence[str], weight: Weight = "images") -> dict[str, dict[str, Any]]:
    """Region -> means over cases with intervals over patients; see ``overlap.summarise``, ``_pooled``, ``_further``.

    With ``weight="patients"`` means are of the patients' own means. What is pooled, counted or the agreement of single
    measurements is over cases all the same.
    """
    counts = np.stack([one.counts for one in judged])
    patients = [one.case.patient for one in judged]
    summary = overlap.summarise(counts, regions, patients, weight)
    for k, region in enumerate(regions):
        effective = summary[region]["effective_patients"]
        summary[region] |= _pooled(counts[:, k], patients, weight, effective)
        rows = [one.further[k] for one in judged if one.further]
        if rows:
            summary[region] |= _further(rows, patients, weight, effective)
    return summary


def _pooled(
    counts: NDArray[np.int64], patients: Sequence[str], weight: Weight, effective: dict[str, float]
) -> dict[str, Any]:
    """[N, 4]: every overlap over the pixels of all cases together; cases wholly missed; how sure the false alarms are.

    Pooled, a large image counts more than a small one, and what was invented where there is nothing counts as well.
    """
    there = counts[:, 0] + counts[:, 2] > 0
    alarms = np.where(there, np.nan, counts[:, 1] > 0)
    effective["false_alarm_rate"] = effective_patients(alarms, patients, weight)
    low, high = share_interval(weighted_mean(alarms, patients, weight), effective["false_alarm_rate"])
    return {
        **{f"pooled_{name}": float(metric(counts.sum(0))) for name, metric in METRICS.items()},
        "n_missed": int((there & (counts[:, 0] + counts[:, 1] == 0)).sum()),
        "false_alarm_rate_low": low,
        "false_alarm_rate_high": high,
    }


def _further(
    rows: Sequence[Mapping[str, float]], patients: Sequence[str], weight: Weight, effective: dict[str, float]
) -> dict[str, Any]:
    """Means with intervals; lesions pooled over cases as well; severity as the agreement of two measurements."""
    columns = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
    summary: dict[str, Any] = {}
    for name, values in columns.items():
        if name in COUNTED:
            summary[name] = int(values.sum())
        elif name not in SEVERITY:
            low, high = mean_interval(values, patients, weight=weight)
            summary |= {name: _mean(values, patients, weight), f"{name}_low": low, f"{name}_high": high}
            effective[name] = effective_patients(values, patients, weight)
    if "lesions" in columns:
        there = summary["lesions"] + summary["lesions_predicted"]
        summary["lesion_f1_pooled"] = 2 * summary["lesions_found"] / there if there else float("nan")
    if SEVERITY[0] in columns:
        found = bland_altman(columns[SEVERITY[0]], columns[SEVERITY[1]], patients)
        summary["severity"] = {name: getattr(found, name) for name in found.__slots__}
    return summary


def _mean(values: Floats, patients: Sequence[str], weight: Weight) -> float:
    if weight == "patients":
        return weighted_mean(values, patients, weight)
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def calibrated(judged: Sequence[Judged], regions: Sequence[str]) -> dict[str, Any]:
    """Region -> how far its probabilities can be believed, over the pixels of all cases."""
    none = calibration.bins(np.zeros(0), np.zeros(0, np.bool_))
    return {
        region: _calibration(sum((one.reliability[k] for one in judged if one.reliability), none))
        for k, region in enumerate(regions)
    }


def _calibration(found: calibration.Reliability) -> dict[str, Any]:
    """``bins`` are [mean probability, share that is the region] each, None where no pixel is in it."""
    points = np.stack([calibration.confidence(found), calibration.frequency(found)], axis=1)
    return {
        "expected_error": calibration.expected_calibration_error(found),
        "maximum_error": calibration.maximum_calibration_error(found),
        "brier": calibration.brier(found),
        "bins": [None if np.isnan(point).any() else point.round(6).tolist() for point in points],
    }


def region_rank(counts: NDArray[np.int64]) -> float:
    """Averages Dice over the regions [K, 4]; without any reference 0 for a false alarm, else NaN."""
    values = overlap.dice(counts)
    invented = np.isnan(values) & (counts[:, 1] > 0)
    values = np.where(invented, 0.0, values)
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
