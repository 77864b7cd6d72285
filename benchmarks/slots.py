"""Real trials an hour on one machine: one after another, and several at once, in turn.

uv run benchmarks/slots.py                 # two on the cores
uv run benchmarks/slots.py --gpus 0.25     # four on a GPU
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hardware import machine, save

TINY = {
    "data.count": "36", "data.pixels": "32", "data.size": "32", "data.batch_size": "4", "data.workers": "0",
    "model": "unet_classic", "model.width": "4", "model.depth": "2", "logger": "none", "trainer.max_epochs": "3",
}  # fmt: skip


def slots(given: argparse.Namespace) -> dict[str, Any]:
    words = dict(TINY)
    if given.gpus:
        many = round(1 / given.gpus)
        alone, shared = {"resources": "{gpus: 1}", "slots": 1}, {"resources": f"{{gpus: {given.gpus}}}", "slots": many}
        settings = {"one after another": alone, "at once": shared}
    else:
        words["trainer"] = "cpu"
        settings = {"one after another": {"slots": 1}, "at once": {"slots": given.slots}}
    speeds: dict[str, list[float]] = {name: [] for name in settings}
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        Path("tiny.yaml").write_text(json.dumps({"base": words, "grid": {"seed": list(range(given.trials))}}))
        for turn in range(given.rounds):
            for name, setting in settings.items():
                command = [sys.executable, "-c", "from lungseg.cli.main import main; main()", "sweep", "tiny.yaml"]
                command += [*(f"{key}={value}" for key, value in setting.items()), f"out={name[:2]}{turn}"]
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                speeds[name].append(3600 * given.trials / (time.perf_counter() - began))
                print(turn, name, f"{speeds[name][-1]:.0f} trials an hour", flush=True)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    ratio = medians["at once"] / medians["one after another"]
    for name, value in medians.items():
        print(f"{name:<20}{value:>8.0f} trials an hour  {settings[name]}")
    print(f"{ratio:.2f}x")
    return {"trials": given.trials, "settings": settings, "an hour": speeds, "medians": medians, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--gpus", type=float, help="share of a GPU of each trial that is run at once with others")
    given = parser.parse_args()
    measured = slots(given)
    name = "slots-gpu" if given.gpus else "slots"
    print(f"written to {save(name, {**machine('lungseg', 'optuna', 'torch'), **measured})}")


if __name__ == "__main__":
    main()
