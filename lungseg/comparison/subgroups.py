"""Tells for whom each arm works: by class, hospital, attribute and size; and the matrix of external validation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lungseg.comparison.analysis import Analysis
from lungseg.comparison.report import DOMAIN, Report, interval_of
from lungseg.comparison.strata import Subgroup
from lungseg.core.plural import plural
from lungseg.metrics.stats.few_patients import shown
from lungseg.metrics.stats.patient_weights import ENOUGH


def matrix(report: Report, region: str, by: str = DOMAIN) -> list[list[str]] | None:
    """A head and a row for each arm by the region's first score, the best first; None where there is one group."""
    found = report.of_region(region)[0]
    columns = [one for one in found.subgroups if one.by == by]
    if not columns:
        return None
    what = "tested on" if by == DOMAIN else by
    head = ["", *(f"{what} {one.name} ({plural(one.cases, 'case')}{_few(one)})" for one in columns)]
    arms = [int(place) for place in found.ranking.order]
    return [head, *([report.arms[place].name, *(_cell(found, one, place) for one in columns)] for place in arms)]


def matrices(report: Report, region: str) -> list[tuple[str, list[list[str]]]]:
    """Returns what cases are grouped by, with its matrix: hospitals where there are several, and what was asked for."""
    found = [(by, matrix(report, region, by)) for by in dict.fromkeys((DOMAIN, report.by))]
    return [(by, rows) for by, rows in found if rows is not None]


def subgroup_rows(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """A row for each arm, score and group of cases; empty where no group has several kinds of cases."""
    rows = []
    for report in reports:
        first = report.group.entries[0]
        about = {"task": first.task, "data": first.data, "split": first.table.summary["split"]}
        for found in report.analyses.values():
            score = {"region": found.kind.region, "score": found.kind.metric, "unit": found.kind.unit}
            for one in found.subgroups:
                who = {
                    "weight": found.weight,
                    "by": one.by,
                    "group": one.name,
                    "cases": one.cases,
                    "patients": one.patients,
                }
                for place, arm in enumerate(report.arms):
                    values = {"mean": one.mean[place], "low": one.low[place], "high": one.high[place]}
                    values["effective_patients"] = one.effective
                    rows.append(about | score | who | {"arm": arm.name} | _rounded(values))
    return rows


def _few(one: Subgroup) -> str:
    """Says so where the interval is rough."""
    number = shown(one.effective)
    return f", {number} effective patient{'' if number == '1' else 's'}: rough" if one.effective < ENOUGH else ""


def _rounded(values: dict[str, float]) -> dict[str, float | None]:
    return {name: round(float(value), 6) if np.isfinite(value) else None for name, value in values.items()}


def _cell(found: Analysis, one: Subgroup, place: int) -> str:
    return interval_of(found.kind, one.mean[place], one.low[place], one.high[place], one.patients)
