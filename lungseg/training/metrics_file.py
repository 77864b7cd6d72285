"""``metrics.csv``: every number of a run against epoch and step, whatever dashboard there is beside it."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from lungseg.core.atomic_io import write_atomically
from lungseg.core.metrics_csv import read_metrics
from lungseg.core.text_tables import csv_text


class MetricsFile(Logger):
    """One row per step at which anything was measured, written after each epoch. Epochs count from 1, steps from 0.

    A run that goes on from a checkpoint at ``step`` continues the same file without the rows from that step on, so
    that nothing stands in it twice. Columns that appear later are empty in earlier rows.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        super().__init__()
        self.path = path
        self.rows: list[dict[str, Any]] = []
        if step > 0 and path.is_file():
            self.rows = [row for row in read_metrics(path, ("epoch", "step")) if int(row["step"]) < step]

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are in config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"epoch": int(metrics.get("epoch", 0)) + 1, "step": int(step or 0)}
        values = {name: repr(float(value)) for name, value in metrics.items() if name != "epoch"}
        if self.rows and {key: int(self.rows[-1][key]) for key in row} == row:
            self.rows[-1] |= values
        else:
            self.rows.append(row | values)

    @rank_zero_only
    def save(self) -> None:
        """All rows at once: a kill leaves the file of the epoch before."""
        names = sorted({name for row in self.rows for name in row} - {"epoch", "step"})
        write_atomically(self.path, csv_text(self.rows, ["epoch", "step", *names]))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()
