"""Scores per case of published models on real patients, which nobody here made: read for tests and benchmarks."""

import csv
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("LUNGSEG_SCORES", ROOT.parent / "shared" / "scores"))
FILES = {
    "QaTa-COV19": ("QaTa-COV19/COVID-19+infection_metrics.csv", r"sub-S\d+"),
    "LIDC-IDRI": ("LIDC-IDRI/nodule_metrics.csv", r"LIDC-IDRI-\d+"),
}
SCORES = ("dice", "assd", "medsam_dice", "sam_dice")


@dataclass(frozen=True)
class Table:
    """``values`` [N, C] by the names of their columns, and whose each case is."""

    columns: tuple[str, ...]
    values: np.ndarray
    patients: list[str]

    def sample(self, generator, patients):
        """Whole patients with replacement; one that is drawn twice is two: [n, C] and names [n]."""
        names, owner = np.unique(self.patients, return_inverse=True)
        drawn = generator.integers(len(names), size=patients)
        rows = [np.flatnonzero(owner == one) for one in drawn]
        return self.values[np.concatenate(rows)], np.arange(patients).repeat([len(one) for one in rows]).astype(
            str
        ).tolist()


def tables():
    """Name -> table; empty where ``FOLDER`` lacks one."""
    if not all((FOLDER / file).is_file() for file, _ in FILES.values()):
        return {}
    return {name: _read(FOLDER / file, pattern) for name, (file, pattern) in FILES.items()}


def _read(path, pattern):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if all(math.isfinite(float(row[name] or "nan")) for name in SCORES)]
    values = np.array([[float(row[name]) for name in SCORES] for row in kept])
    gain = values[:, [2]] - values[:, [3]]
    names = [re.match(pattern, row["file"]).group() for row in kept]
    return Table((*SCORES, "medsam_dice - sam_dice"), np.hstack([values, gain]), names)
