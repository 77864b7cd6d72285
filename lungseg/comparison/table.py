"""A table of cases read back: numbers by region and metric, checked against the summary beside it."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.errors import UserError

NAMES = {"id": "id", "patient": "patient", "label": "class", "domain": "domain", "image": "image"}
NEEDED = ("dice", "reference_area", "predicted_area")

Column = NDArray[np.float64]


@dataclass(frozen=True)
class CaseTable:
    """N cases: who they are, and ``numbers``, region/metric -> [N], NaN where undefined."""

    path: Path
    id: list[str]
    patient: list[str]
    label: list[str]
    domain: list[str]
    image: list[str]
    numbers: dict[str, Column]
    summary: Mapping[str, Any]

    @property
    def regions(self) -> list[str]:
        return list(self.summary["regions"])

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
        )


def read_cases(folder: Path, tuned: bool = False) -> CaseTable:
    """``folder`` is one judgement's; ``tuned``: at the thresholds that the validation cases chose."""
    summary = _summary(folder / "summary.json")
    path = folder / ("cases-tuned.csv" if tuned else "cases.csv")
    rows = _rows(path, summary)
    numbers = {}
    for region in summary["regions"]:
        found = {name.removeprefix(f"{region}_"): name for name in rows[0] if name.startswith(f"{region}_")}
        for metric, name in found.items():
            numbers[f"{region}/{metric}"] = _numbers(path, rows, name)
        for metric in NEEDED:
            if metric not in found:
                raise UserError(f"{path}: has no column {region}_{metric}; {_again(folder)}")
        numbers |= _derived(region, numbers, _numbers(path, rows, "image_area"))
    names = {ours: [row.get(theirs) or "" for row in rows] for ours, theirs in NAMES.items()}
    table = CaseTable(path, numbers=numbers, summary=summary, **names)
    _require_agreement(table, "tuned" if tuned else "model")
    return table


def _summary(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        for key in ("regions", "results", "task", "data", "split", "cases"):
            content[key]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: cannot be read ({error!r}); {_again(path.parent)}") from None
    return content


def _rows(path: Path, summary: Mapping[str, Any]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read ({error}); {_again(path.parent)}") from None
    if not rows or any(name not in rows[0] for name in ("id", "patient", "class", "image_area")):
        raise UserError(f"{path}: is no table of cases; {_again(path.parent)}")
    ids = [row["id"] for row in rows]
    if len(set(ids)) < len(ids):
        twice = next(id for id in ids if ids.count(id) > 1)
        raise UserError(f"{path}: names the case {twice!r} twice; {_again(path.parent)}")
    if len(rows) != summary["cases"]:
        raise UserError(f"{path}: has {len(rows)} cases, its summary.json {summary['cases']}; {_again(path.parent)}")
    return rows


def _numbers(path: Path, rows: Sequence[Mapping[str, str]], name: str) -> Column:
    values = []
    for number, row in enumerate(rows, start=2):
        text = row.get(name)
        try:
            values.append(float(text) if text else math.nan)
        except ValueError:
            raise UserError(f"{path}: line {number} has {name}={text!r}; expected a number or nothing") from None
    return np.array(values)


def _derived(region: str, numbers: Mapping[str, Column], pixels: Column) -> dict[str, Column]:
    """What is about cases without the region, and the error of the severity."""
    empty = numbers[f"{region}/reference_area"] == 0
    found = numbers[f"{region}/predicted_area"]
    derived = {
        f"{region}/false_alarm": np.where(empty, found > 0, math.nan),
        f"{region}/false_alarm_area": np.where(empty, found / np.maximum(pixels, 1), math.nan),
        f"{region}/reference_share": numbers[f"{region}/reference_area"] / np.maximum(pixels, 1),
    }
    if f"{region}/severity_reference" in numbers:
        error = np.abs(numbers[f"{region}/severity_predicted"] - numbers[f"{region}/severity_reference"])
        derived[f"{region}/severity_error"] = error
    return derived


def _require_agreement(table: CaseTable, which: str) -> None:
    """A table that was edited by hand no longer has its summary's mean, or a Dice that its areas allow."""
    for region in table.regions:
        values = table.numbers[f"{region}/dice"]
        if not np.all(np.isnan(values) | ((values >= 0) & (values <= 1))):
            raise UserError(f"{table.path}: a {region}_dice is not from 0 to 1; {_again(table.path.parent)}")
        said = (table.summary["results"].get(which) or {}).get(region, {}).get("dice")
        mean = float(np.nanmean(values)) if not np.isnan(values).all() else None
        if (said is None) != (mean is None) or (said is not None and mean is not None and abs(said - mean) > 1e-4):
            raise UserError(
                f"{table.path}: its mean {region} Dice is {mean}, its summary.json says {said}: one of the two was "
                f"changed; {_again(table.path.parent)}"
            )


def _again(folder: Path) -> str:
    return f"judge the run again: python evaluate.py run={folder.parent.parent}"
