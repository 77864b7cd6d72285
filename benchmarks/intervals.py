"""Measures how often intervals, tests and "surely better" are right: on real and on simulated scores.

    uv run benchmarks/intervals.py

Real scores lie in ``LUNGSEG_SCORES`` (``../shared/scores`` where it is not set); without them that part is left out.
Each table stands for a population: whole patients are drawn from it with replacement, an interval is made of what was
drawn, and it is right where it holds the mean of the whole table.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from hardware import machine, save
from lungseg.metrics.stats.bootstrap import mean_intervals
from lungseg.metrics.stats.multiple_testing import SURE, holm, holm_over_pairs, sure
from lungseg.metrics.stats.patient_weights import WEIGHTS, Floats, Weight, effective_patients, weighted
from lungseg.metrics.stats.permutation import p_of_pairs
from lungseg.metrics.stats.proportions import share_interval
from lungseg.metrics.stats.ranking import rank
from tests.metrics.stats.real_scores import Table, tables
from tests.metrics.stats.simulated import dice, equal_models, falsely_sure, patients_of

PATIENTS = (10, 15, 20, 30, 50, 100)
LIMITS = (0, 5, 10, 15, 20, 30, 1000)  # of effective patients
Layout = Callable[[np.random.Generator], tuple[list[str], Any]]
TrialStore = list[dict[str, Any]]


def real(repetitions: int) -> TrialStore:
    """Coverage by table, score, weight and number of drawn patients, and by effective patients."""
    rows: TrialStore = []
    for name, table in tables().items():
        for weight in WEIGHTS:
            truth = weighted(table.values, table.patients, weight)[0].mean(axis=0)
            found = [_drawn(table, weight, truth, patients, repetitions) for patients in PATIENTS]
            for patients, (effective, hits) in zip(PATIENTS, found, strict=True):
                rows.append(_row(name, weight, effective, hits, table.columns) | {"patients": patients})
            effective, hits = (np.concatenate(parts) for parts in zip(*found, strict=True))
            for low, high in itertools.pairwise(LIMITS):
                chosen = (effective >= low) & (effective < high)
                if chosen.sum() >= 100:
                    about = {"effective_from": low, "effective_below": high}
                    rows.append(_row(name, weight, effective[chosen], hits[chosen], table.columns) | about)
    return rows


def _drawn(table: Table, weight: Weight, truth: Floats, patients: int, repetitions: int) -> tuple[Floats, Floats]:
    """Effective patients [n] of each sample, and whether the interval holds the truth [n, C]."""
    generator, effective, hits = np.random.default_rng(patients), [], []
    for repetition in range(repetitions):
        values, names = table.sample(generator, patients)
        effective.append(effective_patients(values[:, 0], names, weight))
        low, high = mean_intervals(*weighted(values, names, weight), resamples=1000, seed=repetition)
        hits.append((low <= truth) & (truth <= high))
    return np.array(effective), np.array(hits)


def _row(name: str, weight: str, effective: Floats, hits: Floats, columns: tuple[str, ...]) -> dict[str, Any]:
    shares = {column: round(float(share), 4) for column, share in zip(columns, hits.mean(axis=0), strict=True)}
    return {
        "table": name, "weight": weight, "samples": len(hits), "effective": round(float(effective.mean()), 1),
        "coverage": shares,
    }  # fmt: skip


def other_mean(repetitions: int) -> TrialStore:
    """Counts how often the interval for the mean over images holds the mean over patients."""
    rows = []
    for name, table in tables().items():
        truth = weighted(table.values, table.patients, "patients")[0].mean(axis=0)
        mean = table.values.mean(axis=0)
        effective, hits = _drawn(table, "images", truth, len(set(table.patients)), repetitions)
        means = {"images": mean.round(4).tolist(), "patients": truth.round(4).tolist()}
        rows.append(_row(name, "images", effective, hits, table.columns) | {"means": means})
    return rows


LAYOUTS: dict[str, Layout] = {
    "10 patients, 1 to 3 images each": lambda rng: patients_of(rng, 10),
    "15 patients, 1 to 3 images each": lambda rng: patients_of(rng, 15),
    "20 patients, 1 to 3 images each": lambda rng: patients_of(rng, 20),
    "50 patients, 1 to 3 images each": lambda rng: patients_of(rng, 50),
    "31 patients, one with 60 of 90 images": lambda rng: _sized([60] + [1] * 30),
    "30 patients, 2 to 97 images each": lambda rng: _sized(np.geomspace(2, 97, 30).round().astype(int).tolist()),
    "60 patients, 2 to 97 images each": lambda rng: _sized(np.geomspace(2, 97, 60).round().astype(int).tolist()),
}


def _sized(images: list[int]) -> tuple[list[str], Any]:
    owner = np.arange(len(images)).repeat(images)
    return owner.astype(str).tolist(), owner


def simulated(repetitions: int) -> TrialStore:
    """Coverage where a patient's images lie about the patient's own, skewed level."""
    rows = []
    for name, layout in LAYOUTS.items():
        generator, hits, effective = np.random.default_rng(0), [], []
        for batch in range(8):
            names, owner = layout(generator)
            for good, bad in ((3, 2), (8, 2), (9, 1), (4, 0.4)):
                values = dice(generator, owner, repetitions // 8, good, bad)
                low, high = mean_intervals(values, names, resamples=1000, seed=batch)
                truth = good / (good + bad)
                hits.append([good, ((low <= truth) & (truth <= high)).mean()])
            effective.append(effective_patients(values[:, 0], names))
        each = np.array(hits)
        by_skew = [float(each[each[:, 0] == good, 1].mean()) for good in (3, 8, 9, 4)]
        rows.append({"layout": name, "effective": round(float(np.mean(effective)), 1),
                     "least": round(min(by_skew), 4), "most": round(max(by_skew), 4)})  # fmt: skip
    return rows


def failures(repetitions: int) -> TrialStore:
    """Coverage where a few patients fail altogether: in all samples, and in those that hold such a patient."""
    rows = []
    for patients in (15, 20, 30, 50, 100):
        for rate in (0.01, 0.02, 0.03, 0.05, 0.1):
            generator = np.random.default_rng(patients)
            failed = generator.random((patients, repetitions)) < rate
            values = np.where(failed, 0.0, generator.beta(60, 6, failed.shape))
            low, high = mean_intervals(values, [str(n) for n in range(patients)], resamples=1000)
            truth = 60 / 66 * (1 - rate)
            hit, seen = (low <= truth) & (truth <= high), failed.any(axis=0)
            rows.append({
                "patients": patients, "rate": rate, "seen": round(float(seen.mean()), 4),
                "coverage": round(float(hit.mean()), 4), "coverage_where_seen": round(float(hit[seen].mean()), 4),
            })  # fmt: skip
    return rows


def shares(repetitions: int) -> TrialStore:
    """Coverage of Clopper and Pearson's on effective patients; ``alike``: how often images of a patient go together."""
    rows = []
    for name in ("20 patients, 1 to 3 images each", "50 patients, 1 to 3 images each",
                 "30 patients, 2 to 97 images each"):  # fmt: skip
        for rate in (0.01, 0.05, 0.2, 0.5):
            for alike in (0.0, 0.5, 1.0):
                generator, hits = np.random.default_rng(0), []
                for _ in range(repetitions):
                    names, owner = LAYOUTS[name](generator)
                    own = generator.random(owner.max() + 1)[owner]
                    each = generator.random(len(owner))
                    together = (generator.random(owner.max() + 1) < alike)[owner]
                    values = (np.where(together, own, each) < rate).astype(float)
                    low, high = share_interval(float(values.mean()), effective_patients(values, names))
                    hits.append(low <= rate <= high)
                rows.append({"layout": name, "rate": rate, "alike": alike, "coverage": round(float(np.mean(hits)), 4)})
    return rows


def skew(repetitions: int) -> TrialStore:
    """Counts how often models of equal means and unlike skew are told apart: by p alone, and by p and the interval."""
    rows = []
    for patients in (10, 20, 50):
        generator = np.random.default_rng(patients)
        first = generator.beta(2, 0.2, (patients, repetitions))
        values = np.hstack([first, np.full(first.shape, 2 / 2.2) + generator.normal(0, 0.01, first.shape)])
        names = [str(n) for n in range(patients)]
        left, right = np.arange(repetitions), np.arange(repetitions) + repetitions
        p = np.concatenate([
            p_of_pairs(values, left[part], right[part], names, resamples=1999)
            for part in np.array_split(np.arange(repetitions), 4)
        ])  # fmt: skip
        low, high = mean_intervals(values[:, left] - values[:, right], names, resamples=1000)
        rows.append({"patients": patients, "by_p": round(float((p < SURE).mean()), 4),
                     "by_p_and_interval": round(float(sure(p, low, high).mean()), 4)})  # fmt: skip
    return rows


def equal(studies: int) -> TrialStore:
    """Counts how often equal models are called surely better, and how often the best is said to be first."""
    rows = []
    for patients in (20, 50):
        for models in (2, 5, 10):
            generator = np.random.default_rng(models)
            values, names = equal_models(generator, patients, models, 200)
            firsts = [
                rank(values[:, start : start + models], names, resamples=1000).first.max()
                for start in range(0, values.shape[1], models)
            ]
            rows.append({
                "patients": patients, "models": models,
                "over_all_pairs": falsely_sure(models, patients, studies, lambda p, best: holm_over_pairs(p)[best]),
                "over_pairs_with_the_best": falsely_sure(models, patients, studies, lambda p, best: holm(p[best])),
                "first": round(float(np.mean(firsts)), 4),
            })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    repetitions = parser.parse_args().repetitions
    parts: dict[str, Callable[[], TrialStore]] = {
        "equal models": lambda: equal(repetitions),
        "equal means, unlike skew": lambda: skew(repetitions),
        "simulated scores": lambda: simulated(repetitions),
        "rare failures": lambda: failures(repetitions),
        "shares": lambda: shares(repetitions),
        "real scores": lambda: real(repetitions // 4),
        "the other mean": lambda: other_mean(repetitions // 10),
    }
    content: dict[str, Any] = {"machine": machine("numpy", "scipy"), "repetitions": repetitions}
    for name, measure in parts.items():
        started = time.perf_counter()
        content[name] = measure()
        print(f"\n{name} ({time.perf_counter() - started:.0f} s)")
        for row in content[name]:
            print("  " + ", ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
    print(save("intervals", content))


if __name__ == "__main__":
    main()
