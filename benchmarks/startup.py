"""Seconds from a command to what it is there for: train.py on a tiny data set, and the status of a study.

    uv run benchmarks/startup.py
    uv run benchmarks/startup.py --against FOLDER     # in turn with another version of this repository

Each is a process of its own; the first of each version warms the disk up and is not counted; medians are told.
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

from hardware import machine, save
from lungseg.sweep.spec.study_file import Reading, as_study
from lungseg.sweep.state.study_record import record
from lungseg.sweep.state.trial_queue import TrialQueue

HERE = Path(__file__).resolve().parents[1]
TINY = [
    "data.count=36", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "trainer=cpu",
    "model=unet_classic", "model.width=4", "model.depth=2", "logger=none", "trainer.max_epochs=1",
]  # fmt: skip
STEPS = ("config composed", "imports done", "data ready", "first step", "fitted", "job done", "end", "status")
WATCHED = """
import functools, importlib.util, json, os, runpy, sys, time
marks = {}
def mark(name):
    marks.setdefault(name, time.time() - float(os.environ["BEGAN"]))
def after(owner, name, what):
    inner = getattr(owner, name)
    @functools.wraps(inner)
    def outer(*args, **kwargs):
        try:
            return inner(*args, **kwargs)
        finally:
            mark(what)
    setattr(owner, name, outer)
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name != "lungseg.training.train":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def imported(module):
            execute(module)
            mark("imports done")
            after(module, "build_data", "data ready")
            after(module, "fit", "fitted")
            after(module.SegmentationModule, "training_step", "first step")
        spec.loader.exec_module = imported
        return spec
import lungseg.cli.hydra_app as program
main = program.main
def watched(job, config_name):
    def outer(cfg):
        mark("config composed")
        sys.meta_path.insert(0, Watch())
        job(cfg)
        mark("job done")
        with open(os.environ["MARKS"], "w") as file:
            json.dump(marks, file)
    main(outer, config_name)
program.main = watched
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
STATUS = "from lungseg.cli.main import main; main()"


def seconds(root: Path, *command: str, **told: str) -> float:
    """Of a process that takes its modules from ``root``."""
    began = time.time()
    environment = {**os.environ, "PYTHONPATH": str(root), "BEGAN": repr(began), **told}
    subprocess.run([sys.executable, "-c", *command], check=True, capture_output=True, env=environment)
    return time.time() - began


def once(root: Path, run: str) -> dict[str, float]:
    """Step -> seconds since the command was given."""
    end = seconds(root, WATCHED, str(root / "train.py"), *TINY, f"run_dir={run}", MARKS="marks.json")
    status = seconds(root, STATUS, "sweep", "status", "study")
    return {**json.loads(Path("marks.json").read_text()), "end": end, "status": status}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path)
    given = parser.parse_args()
    versions = {"this": HERE} | ({"against": given.against.resolve()} if given.against else {})
    found: dict[str, list[dict[str, float]]] = {name: [] for name in versions}
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        content = {"grid": {"seed": list(range(20))}}
        study = record(as_study(content, Path("few.yaml"), "full", {}, Path("study"), Reading(frozenset())), "again")
        TrialQueue(study).fill([trial.name for trial in study.trials], [])
        for turn in range(given.rounds + 1):
            for name, root in versions.items():
                measured = once(root, f"runs/{name}{turn}")
                print(turn, name, {step: round(took, 2) for step, took in measured.items()}, flush=True)
                if turn:
                    found[name].append(measured)
    tell(found)


def tell(found: dict[str, list[dict[str, float]]]) -> None:
    medians = {name: {s: statistics.median(one[s] for one in runs) for s in STEPS} for name, runs in found.items()}
    print("seconds, median".ljust(20), *(name.rjust(10) for name in found))
    for step in STEPS:
        print(step.ljust(20), *(f"{by[step]:>10.2f}" for by in medians.values()))
    content = {**machine("lungseg", "torch", "pytorch-lightning", "hydra-core", "optuna"), "seconds": found}
    content["medians"] = medians
    if "against" in medians:
        content["against / this"] = {s: round(medians["against"][s] / medians["this"][s], 2) for s in STEPS}
        print({step: f"{ratio:.2f}x" for step, ratio in content["against / this"].items()})
    print(f"written to {save('startup', content)}")


if __name__ == "__main__":
    main()
