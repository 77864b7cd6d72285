"""Declares every column of cases.csv that segmented regions have."""

from collections.abc import Sequence
from dataclasses import replace

from lungseg.metrics import overlap
from lungseg.tasks.columns import Column

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

OVERLAP = (
    Column(
        "dice",
        "Dice",
        undefined=NO_REFERENCE,
        board=True,
        printed="Dice",
        role="headline",
        pictured=True,
        within_sizes=True,
    ),
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
_SEVERITY = Column("", "", "share of the lungs", None, undefined=NO_LUNGS, total="agreement", summary="severity")
SEVERITY = (
    Column(
        "severity_reference",
        "Severity",
        "share of the lungs",
        None,
        undefined=NO_LUNGS,
        total="agreement",
        summary="severity",
        role="reference_amount",
    ),
    replace(_SEVERITY, name="severity_predicted", title="Severity predicted", role="predicted_amount"),
)
AREAS = (
    Column("reference_area", "Area", "pixels", None, 0, total="none", role="reference_size"),
    Column("predicted_area", "Area predicted", "pixels", None, 0, total="none", role="predicted_size"),
)
DERIVED = (
    Column(
        "false_alarm", "False alarms", higher=False, undefined=WITH_REFERENCE, summary="false_alarm_rate", derived=True,
        board=True, printed="false alarms", role="false_alarm",
    ),
    Column(
        "false_alarm_area", "False-alarm area", "", False, 4, WITH_REFERENCE, derived=True, role="false_alarm_extent",
    ),
    Column("reference_share", "Share of the image", "", None, total="none", derived=True, role="size_share"),
    Column(
        "severity_error", "Severity error", "", False, undefined=NO_LUNGS, total="none", derived=True,
        role="amount_error",
    ),
)  # fmt: skip


def surface_columns(unit: str, tolerances: Sequence[float]) -> list[Column]:
    """Returns the distances in ``unit``, and a surface Dice for each tolerance, of which one is on the leaderboard."""
    shown = BOARD_TOLERANCE if BOARD_TOLERANCE in tolerances else min(tolerances, default=None)
    distances = [
        Column("hd95", "HD95", unit, False, 2, NO_REFERENCE, board=True, printed="HD95", pictured=True),
        Column("assd", "ASSD", unit, False, 2, NO_REFERENCE, printed="ASSD"),
    ]
    dice = Column("", "", undefined=NO_REFERENCE, printed="surface Dice")
    return distances + [
        replace(dice, name=nsd_name(one), title=f"Surface Dice at {one:g} {unit}", board=one == shown)
        for one in tolerances
    ]


def nsd_name(tolerance: float) -> str:
    return f"nsd_{tolerance:g}"


def segmentation_columns(unit: str, tolerances: Sequence[float]) -> list[Column]:
    """Returns all columns that a table of segmented regions may have, in its order."""
    return [*OVERLAP, *surface_columns(unit, tolerances), *PROBABILITY, *LESIONS, *SEVERITY, *AREAS, *DERIVED]
