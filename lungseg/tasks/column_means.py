"""Sums up the columns of all cases: means with intervals over patients."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lungseg.metrics.stats.bootstrap import mean_interval
from lungseg.metrics.stats.patient_weights import Weight, effective_patients, weighted_mean
from lungseg.tasks.columns import Column


def column_means(
    columns: Sequence[Column], rows: Sequence[Mapping[str, float]], patients: Sequence[str], weight: Weight
) -> dict[str, Any]:
    """Returns each column's mean or sum, the ends of its interval, and how many patients these rest on."""
    summary: dict[str, Any] = {"effective_patients": {}}
    for column in columns:
        if column.derived or column.total not in ("mean", "sum") or column.name not in rows[0]:
            continue
        values = np.array([row[column.name] for row in rows], np.float64)
        if column.total == "sum":
            summary[column.in_summary] = int(values.sum())
            continue
        low, high = mean_interval(values, patients, weight=weight)
        mean = weighted_mean(values, patients, weight)
        summary |= {column.in_summary: mean, f"{column.in_summary}_low": low, f"{column.in_summary}_high": high}
        summary["effective_patients"][column.in_summary] = effective_patients(values, patients, weight)
    return summary
