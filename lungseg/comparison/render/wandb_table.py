"""The leaderboard as a report table in W&B."""

from collections.abc import Sequence
from pathlib import Path

import wandb

from lungseg.comparison.report import Report, csv_rows
from lungseg.evaluation.loggers import wandb_run


def send(reports: Sequence[Report], out: Path, title: str) -> None:
    """A W&B run of its own, whose files lie in ``out/wandb``; offline it is kept there to be sent later."""
    run = wandb_run.start(out, name=title, project="lungseg", group="comparison", config={})
    if run is None:
        return
    rows = csv_rows(reports)
    table = wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows], allow_mixed_types=True)
    run.log({"comparison": table})
    wandb_run.finish(run)
