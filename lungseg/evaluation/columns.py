"""Declares every column of cases.csv once: its name, its unit, which way is better, and when a cell is empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lungseg.metrics import overlap

METRICS = {
    "dice": overlap.dice,
    "iou": overlap.iou,
    "precision": overlap.precision,
    "recall": overlap.recall,
    "specificity": overlap.specificity,
}
SIZES = {"small": (0.0, 0.001), "medium": (0.001, 0.01), "large": (0.01, 2.0)}  # of a lesion, as a share of the image
BOARD_TOLERANCE = 2.0  # of the one surface Dice on the leaderboard, where it was asked for

NO_REFERENCE = "the case does not have the region"
WITH_REFERENCE = "the case has the region"
NO_LUNGS = "no lungs are annotated"


@dataclass(frozen=True)
class Column:
    """Describes one number of a case and a region.

    ``higher``: whether more is better; None for what is no score but a measurement. ``undefined``: when the cell is
    empty. ``total``: how a summary makes one number of all cases; ``summary``: what it calls that. ``derived``: not in
    the file, but computed from its other columns when it is read. ``board``: a column of the leaderboard. ``printed``:
    what the table at the end of a run calls it, where that prints its interval.
    """

    name: str
    title: str
    unit: str = ""
    higher: bool | None = True
    digits: int = 3
    undefined: str = ""
    total: Literal["mean", "sum", "agreement", "none"] = "mean"
    summary: str = ""
    derived: bool = False
    board: bool = False
    printed: str = ""

    def header(self, region: str) -> str:
        """Returns the column's name in cases.csv."""
        return f"{region}_{self.name}"

    def key(self, region: str) -> str:
        """Returns what the numbers of a table, and a comparison, call it."""
        return f"{region}/{self.name}"

    @property
    def in_summary(self) -> str:
        return self.summary or self.name


OVERLAP = (
    Column("dice", "Dice", undefined=NO_REFERENCE, board=True, printed="Dice"),
    Column("iou", "IoU", undefined=NO_REFERENCE, board=True, printed="IoU"),
    Column("precision", "Precision", undefined=NO_REFERENCE, board=True),
    Column("recall", "Recall", undefined=NO_REFERENCE, board=True),
    Column("specificity", "Specificity", undefined="the region fills the image"),
)
PROBABILITY = (Column("brier", "Brier score", higher=False, digits=4),)
LESIONS = (
    Column("lesions", "Lesions", higher=None, total="sum"),
    Column("lesions_predicted", "Lesions predicted", higher=None, total="sum"),
    Column("lesions_found", "Lesions found", higher=None, total="sum"),
    Column("lesion_f1", "Lesion F1", undefined=NO_REFERENCE, board=True, printed="lesion F1"),
    *(
        Column(f"{name}_{size}", f"{title}, {size}", higher=None, total="sum")
        for size in SIZES
        for name, title in (("lesions", "Lesions"), ("lesions_found", "Lesions found"))
    ),
)
SEVERITY = (
    Column("severity_reference", "Severity", "share of the lungs", None, undefined=NO_LUNGS, total="agreement"),
    Column(
        "severity_predicted", "Severity predicted", "share of the lungs", None, undefined=NO_LUNGS, total="agreement"
    ),
)
AREAS = (
    Column("reference_area", "Area", "pixels", None, 0, total="none"),
    Column("predicted_area", "Area predicted", "pixels", None, 0, total="none"),
)
DERIVED = (
    Column(
        "false_alarm", "False alarms", higher=False, undefined=WITH_REFERENCE, summary="false_alarm_rate", derived=True,
        board=True, printed="false alarms",
    ),
    Column("false_alarm_area", "False-alarm area", "", False, 4, WITH_REFERENCE, derived=True),
    Column("reference_share", "Share of the image", "", None, total="none", derived=True),
    Column("severity_error", "Severity error", "", False, undefined=NO_LUNGS, total="none", derived=True),
)  # fmt: skip


def surface_columns(unit: str, tolerances: Sequence[float]) -> list[Column]:
    """Returns the distances in ``unit``, and a surface Dice for each tolerance, of which one is on the leaderboard."""
    shown = BOARD_TOLERANCE if BOARD_TOLERANCE in tolerances else min(tolerances, default=None)
    distances = [
        Column("hd95", "HD95", unit, False, 2, NO_REFERENCE, board=True, printed="HD95"),
        Column("assd", "ASSD", unit, False, 2, NO_REFERENCE, printed="ASSD"),
    ]
    dice = Column("", "", undefined=NO_REFERENCE, printed="surface Dice")
    return distances + [
        replace(dice, name=nsd_name(one), title=f"Surface Dice at {one:g} {unit}", board=one == shown)
        for one in tolerances
    ]


def nsd_name(tolerance: float) -> str:
    return f"nsd_{tolerance:g}"


def columns(summary: Mapping[str, Any]) -> list[Column]:
    """Returns all columns that a judgement of segmented regions may have, in the order of its table."""
    surfaces = surface_columns(str(summary.get("unit", "px")), summary.get("tolerances", []))
    return [*OVERLAP, *surfaces, *PROBABILITY, *LESIONS, *SEVERITY, *AREAS, *DERIVED]
