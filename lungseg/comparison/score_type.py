"""What is compared: which way is better, in which unit, with how many digits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.comparison.grouping import Group
from lungseg.evaluation.columns import columns
from lungseg.tasks.columns import Column, Role


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
    in_summary: str = ""  # what a summary calls its mean over cases
    role: Role = "none"
    pictured: bool = False  # cases that do well or badly by it are worth a look

    @property
    def id(self) -> str:
        return f"{self.region}/{self.metric}"

    @property
    def share(self) -> bool:
        """Tells whether a case's score is 0 or 1."""
        return self.role == "false_alarm"


def kinds(group: Group) -> list[ScoreType]:
    """All that every run has and any case defines for all runs, the inmost region first, its headline before all else.

    Where no case has the region, its false alarms are before all else.
    """
    scores = [column for column in columns(group.table.summary) if column.higher is not None]
    found = []
    for region in reversed(group.table.regions):
        there = [one for one in scores if one.key(region) in group.scores]
        known = [_kind(region, one) for one in there if _defined(group.scores[one.key(region)])]
        first = "headline" if any(kind.role == "headline" for kind in known) else "false_alarm"
        found += sorted(known, key=lambda kind: kind.role != first)
    return found


def _defined(scores: NDArray[np.float64]) -> bool:
    return not np.isnan(scores).any(axis=1).all()


def _kind(region: str, column: Column) -> ScoreType:
    return ScoreType(
        region=region,
        metric=column.name,
        name=column.title,
        higher=bool(column.higher),
        unit=column.unit,
        digits=column.digits,
        board=column.board,
        in_summary=column.in_summary,
        role=column.role,
        pictured=column.pictured,
    )
