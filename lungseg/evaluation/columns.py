"""The columns that a judgement says it has; what earlier versions wrote has those of segmented regions."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from lungseg.core.security.printable_text import one_line
from lungseg.tasks.columns import Column
from lungseg.tasks.segmentation.columns import segmentation_columns


def columns(summary: Mapping[str, Any]) -> list[Column]:
    """Returns them in the order of the table, known to be as ``Summary`` checks them."""
    if not summary.get("columns"):
        return segmentation_columns(str(summary.get("unit", "px")), summary.get("tolerances", []))
    known = asdict(Column("", ""))
    found = [Column(**{key: value for key, value in one.items() if key in known}) for one in summary["columns"]]
    return [replace(one, title=one_line(one.title), unit=one_line(one.unit)) for one in found]


def of_role(summary: Mapping[str, Any], role: str) -> Column | None:
    """Returns the column with a role; None where the task has none."""
    return next((column for column in columns(summary) if column.role == role), None)
