"""What is compared: which way is better, in which unit, with how many digits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.comparison.grouping import Group


@dataclass(frozen=True)
class ScoreType:
    """A score of one region. ``board``: a column of the leaderboard, whatever score it is ranked by."""

    region: str
    metric: str
    name: str
    higher: bool = True
    unit: str = ""
    digits: int = 3
    board: bool = False

    @property
    def id(self) -> str:
        return f"{self.region}/{self.metric}"

    @property
    def share(self) -> bool:
        """Tells whether a case's score is 0 or 1."""
        return self.metric == "false_alarm"


SHARES = {"dice": "Dice", "iou": "IoU", "precision": "Precision", "recall": "Recall", "specificity": "Specificity"}
DISTANCES = {"hd95": "HD95", "assd": "ASSD"}
BOARD = ("dice", "iou", "precision", "recall", "hd95", "lesion_f1", "false_alarm")
PREFERRED = ("infection", "lung")  # the region that a page opens on, where there are several


def kinds(group: Group) -> list[ScoreType]:
    """All that every run has and any case defines for all runs, the hardest region first, Dice before all else.

    Where no case has the region, its false alarms are before all else.
    """
    regions = sorted(group.table.regions, key=lambda region: (*PREFERRED, region).index(region))
    unit = str(group.table.summary.get("unit", "px"))
    found = []
    for region in regions:
        there = [name.partition("/")[2] for name in group.scores if name.startswith(f"{region}/")]
        board = (*BOARD, _surface(there))
        made = [_kind(region, metric, unit, metric in board) for metric in there]
        known = [kind for kind in made if kind is not None and _defined(group.scores[kind.id])]
        first = "dice" if any(kind.metric == "dice" for kind in known) else "false_alarm"
        found += sorted(known, key=lambda kind: kind.metric != first)
    return found


def _surface(metrics: Sequence[str]) -> str:
    """The one surface Dice of the leaderboard: within 2, else the strictest that was asked for; "" without any."""
    found = sorted((float(name.removeprefix("nsd_")), name) for name in metrics if name.startswith("nsd_"))
    return next((name for within, name in found if within == 2), found[0][1] if found else "")


def _defined(scores: NDArray[np.float64]) -> bool:
    return not np.isnan(scores).any(axis=1).all()


def _kind(region: str, metric: str, unit: str, board: bool) -> ScoreType | None:
    """None for what is no score: areas, counts, a severity itself."""
    if metric in SHARES:
        return ScoreType(region, metric, SHARES[metric], board=board)
    if metric in DISTANCES:
        return ScoreType(region, metric, DISTANCES[metric], False, unit, 2, board)
    if metric.startswith("nsd_"):
        return ScoreType(region, metric, f"Surface Dice at {metric.removeprefix('nsd_')} {unit}", board=board)
    others = {
        "lesion_f1": ScoreType(region, metric, "Lesion F1", board=board),
        "severity_error": ScoreType(region, metric, "Severity error", False),
        "brier": ScoreType(region, metric, "Brier score", False, digits=4),
        "false_alarm": ScoreType(region, metric, "False alarms", False, board=board),
        "false_alarm_area": ScoreType(region, metric, "False-alarm area", False, digits=4),
    }
    return others.get(metric)
