"""Describes a column of cases.csv: its name, its unit, which way is better, and when a cell is empty."""

from dataclasses import dataclass
from typing import Literal

Role = Literal[
    "none",
    "headline",  # ranks runs, and is the score that a page opens on
    "reference_size",  # how much of a region is there, 0 where the case does not have it
    "predicted_size",
    "size_share",  # of the reference, as a share of the image
    "false_alarm",  # whether anything was predicted where nothing is; it ranks where no case has a headline
    "false_alarm_extent",  # how much of the image that is
    "reference_amount",  # a measurement, taken in the reference
    "predicted_amount",  # the same as predicted
    "amount_error",
]


@dataclass(frozen=True)
class Column:
    """Describes one number of a case and a region, or of whatever else a task's scores are about.

    ``higher``: whether more is better; None for what is no score but a measurement. ``undefined``: when the cell is
    empty. ``total``: how a summary makes one number of all cases; ``summary``: what it calls that. ``derived``: not in
    the file, but computed from its other columns by its role when it is read. ``board``: a column of the leaderboard.
    ``printed``: what the table at the end of a run calls it, where that prints its interval. ``role``: what others may
    use it as. ``pictured``: cases that do well or badly by it are worth a look. ``within_sizes``: no more than the
    overlap that the sizes of reference and prediction allow.
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
    role: Role = "none"
    pictured: bool = False
    within_sizes: bool = False

    def header(self, region: str) -> str:
        """Returns the column's name in cases.csv."""
        return f"{region}_{self.name}"

    def key(self, region: str) -> str:
        """Returns what the numbers of a table, and a comparison, call it."""
        return f"{region}/{self.name}"

    @property
    def in_summary(self) -> str:
        return self.summary or self.name
