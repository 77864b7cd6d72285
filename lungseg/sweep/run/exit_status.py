"""How a run ended and what it came to; and what a smaller batch would set."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.metrics_csv import read_metrics
from lungseg.core.run_directory import Run
from lungseg.core.security.safe_yaml import shown
from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.settings import Objective

NO_WEIGHTS = "pretrained=true: the weights of model.encoder="  # how train.py begins where it cannot have them
MEMORY = "out of memory"  # how it begins where that was too small
PRUNED = 75  # its exit code where it was told to give up
SAVED = (130, 143)  # where somebody stopped it
FULL = ("the disk is full", "No space left on device")  # what it says where it could not write
ROOM = 2**20  # bytes, without which a disk counts as full: not even what a trial says can be kept


def how_it_ended(code: int, said: Sequence[str], folder: Path) -> tuple[str, str]:
    """Finished, pruned, stopped, killed, memory, no weights or failed; and why. ``said``: the last lines of its log."""
    last = said[-1].removeprefix("error: ")
    if code == 0 or code == PRUNED:
        return ("pruned" if code else "finished"), ""
    if code in SAVED:
        return "stopped", last
    if code < 0:
        return "killed", f"killed by signal {-code}"
    if any(words in last for words in FULL) or full(folder):
        return "stopped", last if FULL[0] in last else f"{folder}: the disk is full"
    kinds = {NO_WEIGHTS: "no weights", MEMORY: "memory"}
    kind = next((kind for begin, kind in kinds.items() if last.startswith(begin)), "failed")
    return kind, last if len(said) == 1 else "\n".join(said)


def full(folder: Path) -> bool:
    try:
        there = os.statvfs(folder)
    except OSError:
        return False
    return there.f_bavail * there.f_frsize < ROOM


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
    for row in read_metrics(run.metrics_file):
        if row["epoch"] == str(epoch) and row.get("val/loss"):
            return row
    return {}


def shrunk_words(noted: Mapping[str, Any]) -> Overrides | None:
    """Returns what a smaller batch set in an earlier attempt, as the storage has it; anything else there is refused."""
    words = noted.get("shrunk")
    if words is None:
        return None
    known = {"data.batch_size", "trainer.accumulate_grad_batches"}
    if (
        not isinstance(words, dict)
        or set(words) != known
        or not all(str(value).isdecimal() for value in words.values())
    ):
        raise UserError(f"the study's storage says shrunk={shown(words)}, which no sweep has written; do not use it")
    return {key: str(value) for key, value in words.items()}


def smaller(run_dir: Path, noted: Mapping[str, Any]) -> Overrides | None:
    """Half the batch, with twice the gradients added up; None where that was done before, or the batch is one."""
    run = Run(run_dir)
    if noted.get("shrunk") or not run.config_file.is_file():
        return None
    config = run.saved_values()
    batch = config.get("data", {}).get("batch_size")
    added = config.get("trainer", {}).get("accumulate_grad_batches", 1)
    if not isinstance(batch, int) or not isinstance(added, int) or batch < 2:
        return None
    return {"data.batch_size": str(batch // 2), "trainer.accumulate_grad_batches": str(added * 2)}
