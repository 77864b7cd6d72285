"""What a run came to, read from its directory; and what a smaller batch would set."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lungseg.errors import UserError
from lungseg.runs import Run
from lungseg.sweep.plan import Words
from lungseg.sweep.settings import Objective


def values_of(run_dir: Path, objectives: Sequence[Objective]) -> list[float]:
    """Each objective at the epoch whose weights were kept."""
    run = Run(run_dir)
    manifest = run.manifest()
    row = _row(run, manifest.get("best_epoch"))
    found = []
    for one in objectives:
        value = manifest.get(one.name) if one.name in manifest else row.get(one.name)
        number = float(value) if isinstance(value, int | float) or value else math.nan
        if not math.isfinite(number):
            known = ", ".join(sorted(name for name, text in row.items() if name.startswith("val/") and text))
            raise UserError(f"objective={one.name}: {run.path} has none; there are {known or 'none'}")
        found.append(number)
    return found


def _row(run: Run, epoch: Any) -> Mapping[str, str]:
    """Of metrics.csv, the row of the validation of an epoch."""
    try:
        with run.metrics_file.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["epoch"] == str(epoch) and row.get("val/loss"):
                    return row
    except (OSError, KeyError, csv.Error) as error:
        raise UserError(f"{run.metrics_file}: cannot be read ({error}); restore it, or run the trial again") from None
    return {}


def smaller(run_dir: Path, noted: Mapping[str, Any]) -> Words | None:
    """Half the batch, with twice the gradients added up; None where that was done before, or the batch is one."""
    run = Run(run_dir)
    if noted.get("shrunk") or not run.config_file.is_file():
        return None
    config = run.config()
    batch, added = int(config.data.batch_size), int(config.trainer.get("accumulate_grad_batches", 1))
    if batch < 2:
        return None
    return {"data.batch_size": str(batch // 2), "trainer.accumulate_grad_batches": str(added * 2)}
