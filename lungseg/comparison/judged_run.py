"""One judged run as it enters a comparison."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lungseg.core.config.compose import transfer
from lungseg.core.config.key_types import SEGMENTATION
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import require_comparable
from lungseg.core.metrics_csv import read_metrics
from lungseg.core.run_directory import Run
from lungseg.evaluation.columns import of_role
from lungseg.evaluation.read_case_table import CaseTable, read_cases

SEEDLESS = ("seed", "run_dir", "resume", "trust", "traceback", "logger", "data.root", "data.workers", "data.pack",
            "task.lesions", "callbacks.overlays", "callbacks.curves", "callbacks.pruning")  # fmt: skip
LOSSES = ("val/loss", "train/loss_epoch")


@dataclass(frozen=True, eq=False)
class JudgedRun:
    """A run, the folder of the judgement that is compared, and its table of cases."""

    run: Run
    folder: Path
    table: CaseTable
    config: Mapping[str, Any]  # dotted keys
    manifest: Mapping[str, Any]
    named: bool = True  # by the user; or only found in a folder

    @property
    def task(self) -> str:
        return str(self.table.summary["task"])

    @property
    def data(self) -> str:
        return str(self.table.summary["data"])

    @property
    def model(self) -> str:
        return str(self.config.get("model.name"))

    @property
    def encoder(self) -> str:
        return str(self.config.get("model.encoder") or "-")

    @property
    def label(self) -> str:
        """What the run was called by ``label=``; empty where it was not."""
        return " ".join(str(self.config.get("label") or "").split())

    @property
    def seed(self) -> int:
        seed = self.config.get("seed")
        return seed if isinstance(seed, int) else 0

    @property
    def transfer(self) -> str:
        learnt = bool(self.config.get("pretrained") or self.config.get("model.weights"))
        return transfer(learnt, bool(self.config.get("freeze_encoder")))

    @property
    def arm(self) -> tuple[tuple[str, str], ...]:
        """What it shares with the runs that differ from it by their seed alone; how it was judged is part of it."""
        kept = {key: value for key, value in self.config.items() if not key.startswith(SEEDLESS)}
        judged = (("judged", self.judged),)
        return judged + tuple(sorted((key, repr(value)) for key, value in kept.items()))

    @property
    def judged(self) -> str:
        """What is special about the judgement; empty where nothing is."""
        summary = self.table.summary
        tta = summary.get("tta", "none")
        words = [f"tta {tta}"] if tta != "none" else []
        if summary.get("members", 1) != 1:
            words.append(f"ensemble of {summary['members']}")
        if summary.get("threshold", 0.5) != 0.5:
            words.append(f"threshold {summary['threshold']:g}")
        if self.table.path.name == "cases-tuned.csv":
            words.append("tuned threshold")
        return ", ".join(words)

    @cached_property
    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Of metrics.csv: name -> (epoch, value); nothing where the file is gone."""
        headline = of_role(self.table.summary, "headline")
        scores = [f"val/{headline.name}"] if headline is not None else []
        found: dict[str, list[tuple[int, float]]] = {name: [] for name in (*scores, *LOSSES)}
        try:
            for row in read_metrics(self.run.metrics_file):
                for name, points in found.items():
                    value = float(row.get(name) or "nan")
                    if math.isfinite(value):
                        points.append((int(row["epoch"]), value))
        except UserError:
            return {}
        return {name: points for name, points in found.items() if points}


def read_entry(folder: Path, tuned: bool = False) -> JudgedRun:
    """From a judgement's folder within a run, ``<run>/evaluation/<name>``."""
    run = Run(folder.parent.parent)
    if str(folder) != str(folder).encode(errors="replace").decode():
        raise UserError(f"{str(folder)!a}: is no UTF-8, so it cannot stand in a table; rename the folder")
    if not run.config_file.is_file():
        raise UserError(f"{folder}: is not within a run directory; {run.config_file}: is missing; restore it")
    if not run.splits_file.is_file():
        raise UserError(
            f"{run.splits_file}: is missing, and without it nobody knows what the run was trained on; restore it"
        )
    manifest = run.manifest()
    require_comparable(run.path, manifest)
    return JudgedRun(
        run, folder, read_cases(folder, tuned), {"task._target_": SEGMENTATION, **flat(run.saved_values())}, manifest
    )


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys -> plain values; a list is one value."""
    found: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            found[prefix] = value

    walk("", config)
    return found
