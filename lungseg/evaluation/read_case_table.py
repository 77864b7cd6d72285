"""A table of cases read back: numbers by region and metric, checked against the summary beside it."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.core.security.safe_json import read_plain_file
from lungseg.core.shell_commands import evaluate_command
from lungseg.core.text_tables import read_table
from lungseg.evaluation.attribute_columns import read_attributes
from lungseg.evaluation.columns import columns, of_role
from lungseg.evaluation.derived_columns import Numbers, derived
from lungseg.evaluation.summary import read_summary
from lungseg.metrics.stats.patient_weights import Weight, weighted_mean
from lungseg.tasks.columns import Column, Role

NAMES = {"id": "id", "patient": "patient", "label": "class", "domain": "domain", "image": "image"}
NEEDED: tuple[Role, ...] = ("headline", "reference_size", "predicted_size")
OF_THE_IMAGE: tuple[Role, ...] = ("size_share", "false_alarm_extent")  # need the image's own size
LARGEST = 2**28  # bytes of a table


@dataclass(frozen=True)
class CaseTable:
    """N cases: who they are, and ``numbers``, region/metric -> [N], NaN where undefined."""

    path: Path
    id: list[str]
    patient: list[str]
    label: list[str]
    domain: list[str]
    image: list[str]
    numbers: dict[str, Numbers]
    summary: Mapping[str, Any]
    attributes: Mapping[str, list[str]] = field(default_factory=dict)  # name -> [N], "" where it is unknown

    @property
    def regions(self) -> list[str]:
        return list(self.summary["regions"])

    def of_role(self, region: str, role: Role) -> Numbers | None:
        """Returns the numbers of a region that have a role; None where there are none."""
        column = of_role(self.summary, role)
        return self.numbers.get(column.key(region)) if column is not None else None

    def only(self, rows: Sequence[int]) -> "CaseTable":
        """These rows, in this order."""

        def some(values: list[str]) -> list[str]:
            return [values[row] for row in rows]

        numbers = {name: values[list(rows)] for name, values in self.numbers.items()}
        return replace(
            self,
            id=some(self.id),
            patient=some(self.patient),
            label=some(self.label),
            domain=some(self.domain),
            image=some(self.image),
            numbers=numbers,
            attributes={name: some(values) for name, values in self.attributes.items()},
        )


def read_cases(folder: Path, tuned: bool = False) -> CaseTable:
    """``folder`` is one judgement's; ``tuned``: at the thresholds that the validation cases chose."""
    summary = read_summary(folder / "summary.json")
    path = folder / ("cases-tuned.csv" if tuned else "cases.csv")
    rows = _rows(path, summary)
    numbers = {}
    for region in summary["regions"]:
        for column in columns(summary):
            if column.header(region) in rows[0]:
                numbers[column.key(region)] = _numbers(path, rows, column.header(region))
            elif column.role in NEEDED and not column.derived:
                raise UserError(f"{path}: has no column {column.header(region)}; {_again(folder)}")
        pixels = _numbers(path, rows, "image_area") if "image_area" in rows[0] else None
        numbers |= derived(columns(summary), region, numbers, pixels)
        _require_possible(path, summary, region, numbers)
    names = {ours: [row.get(theirs) or "" for row in rows] for ours, theirs in NAMES.items()}
    attributes = read_attributes(path, rows, summary, _again(folder))
    table = CaseTable(path, numbers=numbers, summary=summary, attributes=attributes, **names)
    _require_agreement(table, "tuned" if tuned else "model")
    return table


def weight_of(summary: Mapping[str, Any]) -> Weight:
    """Tells whose means a summary holds; one of an earlier version does not say so, and has those over images."""
    weight: Weight = summary.get("weight", "images")
    return weight


def _rows(path: Path, summary: Mapping[str, Any]) -> list[dict[str, str]]:
    try:
        text = read_plain_file(path, LARGEST).decode()
        rows = read_table(io.StringIO(text, newline=""))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); {_again(path.parent)}") from None
    needed = ["id", "patient", "class", "image"]
    if any(column.role in OF_THE_IMAGE for column in columns(summary)):
        needed.append("image_area")
    if not rows or any(name not in rows[0] for name in needed):
        raise UserError(f"{path}: is no table of cases; {_again(path.parent)}")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not row["id"] or not row["patient"]:  # None: too many, too few
            raise UserError(f"{path}: line {number} does not fit its header; {_again(path.parent)}")
    ids = [row["id"] for row in rows]
    if len(set(ids)) < len(ids):
        twice = next(id for id in ids if ids.count(id) > 1)
        raise UserError(f"{path}: names the case {twice!r} twice; {_again(path.parent)}")
    if len(rows) != summary["cases"]:
        raise UserError(
            f"{path}: has {plural(len(rows), 'case')}, its summary.json {summary['cases']}; {_again(path.parent)}"
        )
    return rows


def _numbers(path: Path, rows: Sequence[Mapping[str, str]], name: str) -> Numbers:
    texts = [row.get(name) or "nan" for row in rows]
    try:
        values = np.array([float(text) for text in texts])
    except ValueError:
        values = np.array([math.inf])
    if np.isinf(values).any():
        number, text = next((n, text) for n, text in enumerate(texts, start=2) if not _finite(text))
        raise UserError(f"{path}: line {number} has {name}={text!r}; expected a number or nothing")
    return values


def _finite(text: str) -> bool:
    try:
        return not math.isinf(float(text))
    except ValueError:
        return False


def _require_possible(path: Path, summary: Mapping[str, Any], region: str, numbers: Mapping[str, Numbers]) -> None:
    """Checks that an overlap is there where the region is, and no more than the sizes allow."""
    roles = [of_role(summary, role) for role in ("reference_size", "predicted_size")]
    column = next((one for one in columns(summary) if one.within_sizes), None)
    if column is None or roles[0] is None or roles[1] is None:
        return
    overlap, there, found = (numbers[one.key(region)] for one in (column, roles[0], roles[1]))
    most = 2 * np.minimum(there, found) / np.maximum(there + found, 1)
    wrong = ~((there >= 0) & (found >= 0) & (np.isnan(overlap) == (there == 0)))  # an area that is missing too
    wrong |= (overlap < 0) | (overlap > most + 1e-6)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{path}: line {row + 2} has {column.header(region)}={overlap[row]:g} with areas of {there[row]:g} and "
            f"{found[row]:g} pixels, which cannot be; {_again(path.parent)}"
        )


def _require_agreement(table: CaseTable, which: str) -> None:
    """A table that was edited by hand no longer has its summary's means; its numbers are rounded to 6 digits."""
    for region in table.regions:
        said = (table.summary["results"].get(which) or {}).get(region) or {}
        for column in columns(table.summary):
            name, values = column.in_summary, table.numbers.get(column.key(region))
            if values is None or (name not in said and column.role != "headline"):
                continue
            if column.total in ("agreement", "none"):
                continue
            mean = _total(column, values, table)
            if not _agree(mean, said.get(name)):
                raise UserError(
                    f"{table.path}: its {region}_{name} is {_told(mean)} over its cases, summary.json says "
                    f"{_told(said.get(name))}: one of the two was changed; {_again(table.path.parent)}"
                )


def _total(column: Column, values: Numbers, table: CaseTable) -> float | None:
    """Returns what a summary makes of a column's cases; None where none of them defines it."""
    if column.total == "sum":
        return float(np.nansum(values))
    return weighted_mean(values, table.patient, weight_of(table.summary)) if not np.isnan(values).all() else None


def _agree(mean: float | None, said: object) -> bool:
    if mean is None or not isinstance(said, int | float):
        return mean is None and said is None
    return abs(mean - said) <= 2e-6 * max(1, abs(mean))


def _told(mean: object) -> str:
    return f"{mean:.6g}" if isinstance(mean, int | float) else "unknown" if mean is None else repr(mean)


def _again(folder: Path) -> str:
    return f"judge the run again: {evaluate_command(folder.parent.parent)}"
