"""Writes numbers and intervals as a person reads them at the end of a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lungseg.metrics.stats.few_patients import few_patients
from lungseg.tasks.columns import Column

Scores = Mapping[str, Any]


def interval(scores: Scores, name: str, digits: int = 3) -> str:
    """Returns a mean with its interval."""
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    if unknown(low, high):
        several = scores.get("effective_patients", {}).get(name, 0) > 1  # and still no spread to resample
        return number(scores[name], digits) + (" (all equal)" if several else "")
    return f"{number(scores[name], digits)} [{low:.{digits}f}, {high:.{digits}f}]"


def rough_intervals(scores: Scores, columns: Sequence[Column]) -> list[str]:
    """Says whose intervals rest on too few patients, of those that are printed."""
    printed = {column.in_summary: column.printed for column in columns}
    names = {name: printed.get(name, "") for name in scores.get("effective_patients", {})}
    shown = {name: said for name, said in names.items() if said and not unknown(scores.get(f"{name}_low"))}
    numbers: dict[str, float] = {}
    for name, said in shown.items():
        patients = scores["effective_patients"][name]
        numbers[said] = min(numbers.get(said, patients), patients)
    warning = few_patients(numbers)
    return [warning] if warning else []


def unknown(*values: float | None) -> bool:
    return any(value is None or math.isnan(value) for value in values)


def number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"
