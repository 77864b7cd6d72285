"""Runs the version before the great move and the working tree on the same commands, and compares what they write.

    uv run benchmarks/before_after.py                  # a table, and JSON in benchmarks/results; exit 1 on a difference
    uv run benchmarks/before_after.py --keep FOLDER    # leaves what both wrote in FOLDER/before and FOLDER/after

Compared are the values of every checkpoint to the bit, metrics.csv, every table of cases and the tables of a
comparison as bytes, and what a study's trials came to; only times are left out.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hardware import machine, save

REFERENCE = "eb4006755ed51c8da6e45246bc41870ad1ac0d72"  # the last commit before every module was moved
ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "task": "lung", "data.count": 24, "data.pixels": 48, "data.size": 32, "data.batch_size": 4, "data.workers": 0,
    "trainer": "cpu", "model": "unet_classic", "model.width": 4, "model.depth": 2, "trainer.max_epochs": 2,
    "logger": "none",
}  # fmt: skip
WORDS = [f"{key}={value}" for key, value in TINY.items()]
BASE = json.dumps(TINY)
GRID = f"base: {BASE}\ngrid: {{loss: [bce_dice, tversky], seed: [0, 1]}}\nresources: {{cpus: 1, gpus: 0}}\n"
# what a sampler draws depends on its worker: a search of both versions can only be compared with one value
SEARCH = (
    f"base: {BASE}\nsearch: {{optim.lr: [0.002]}}\nbudget: {{trials: 2}}\n"
    "sampler: random\nresources: {cpus: 1, gpus: 0}\n"
)
TIMES = ("seconds",)  # keys of a checkpoint that hold how long something took
TABLES = ("cases.csv", "cases-tuned.csv", "metrics.csv", "comparison.md", "comparison.tex", "pairs.csv", "means.csv")


@dataclass(frozen=True)
class Tree:
    """One version of the code, and the folder in which its programs are started."""

    code: Path
    work: Path

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """Starts a program of this version; its name in the command is the same in both."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.code),
            "HOME": str(self.work.parent / "home"),
            "LUNGSEG_CACHE": str(self.work.parent / f"cache-{self.work.name}"),
            "NO_ALBUMENTATIONS_UPDATE": "1",
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.Popen(
            [sys.executable, *words], cwd=self.work, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def do(self, *words: str, exits: int = 0) -> str:
        process = self.begin(*words)
        said, _ = process.communicate(timeout=600)
        if process.returncode != exits:
            raise SystemExit(f"{self.work.name}: {' '.join(words)} ended with {process.returncode}:\n{said}")
        return said

    def lungseg(self, *words: str) -> None:
        place = "lungseg.cli.main" if (self.code / "lungseg" / "cli").is_dir() else "lungseg.cli"
        self.do("-c", f"from {place} import main; main()", *words)


def train(tree: Tree) -> None:
    for seed in (0, 1):
        tree.do("train.py", *WORDS, f"seed={seed}", f"run_dir=runs/seed{seed}")


def resume(tree: Tree) -> None:
    """Trains once undisturbed and once stopped by a signal in the middle, then goes on with the latter."""
    longer = [*WORDS, "trainer.max_epochs=12"]
    tree.do("train.py", *longer, "run_dir=runs/whole")
    process = tree.begin("train.py", *longer, "run_dir=runs/stopped")
    while not (tree.work / "runs" / "stopped" / "checkpoints" / "last.ckpt").exists():
        time.sleep(0.005)
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    if process.returncode != 128 + signal.SIGTERM:
        raise SystemExit(f"{tree.work.name}: a stopped training ended with {process.returncode}")
    shutil.copytree(tree.work / "runs" / "stopped", tree.work / "stopped")  # as it was stopped, to be looked at
    tree.do("train.py", "resume=runs/stopped")


def evaluate(tree: Tree) -> None:
    tree.do("evaluate.py", "run=runs/seed0", "split=val", "ask=[tta,frame]", "out=validation")
    tree.do("evaluate.py", "run=[runs/seed0,runs/seed1]", "tta=flip", "out=ensemble")


def compare(tree: Tree) -> None:
    tree.lungseg("compare", "runs/seed0", "runs/seed1", "runs/whole", "out=compared")


def grid(tree: Tree) -> None:
    (tree.work / "grid.yaml").write_text(GRID)
    tree.lungseg("sweep", "grid.yaml", "slots=1", "out=grid")


def search(tree: Tree) -> None:
    (tree.work / "search.yaml").write_text(SEARCH)
    tree.lungseg("sweep", "search.yaml", "slots=1", "out=search")


PARTS: dict[str, Callable[[Tree], None]] = {
    "train": train, "resume": resume, "evaluate": evaluate, "compare": compare, "grid": grid, "search": search
}  # fmt: skip


def values(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every value of a checkpoint with its place, tensors as their bytes, without times."""
    if isinstance(content, dict):
        for key, inner in content.items():
            if key not in TIMES:
                yield from values(inner, f"{path}/{key}")
    elif isinstance(content, list | tuple):
        for place, inner in enumerate(content):
            yield from values(inner, f"{path}/{place}")
    elif isinstance(content, torch.Tensor):
        yield path, (content.dtype, tuple(content.shape), content.numpy().tobytes())
    else:
        yield path, repr(content)


def difference(before: Path, after: Path) -> str | None:
    """Returns where two files differ; None where they do not."""
    if not after.exists():
        return "is missing"
    if before.suffix == ".ckpt":
        pairs = [dict(values(torch.load(path, weights_only=True))) for path in (before, after)]
        unlike = [key for key in {**pairs[0], **pairs[1]} if pairs[0].get(key) != pairs[1].get(key)]
        return f"differs in {unlike[0]}" if unlike else None
    lines = [path.read_text().splitlines() for path in (before, after)]
    if lines[0] == lines[1]:
        return None
    row = next((n for n, (one, other) in enumerate(zip(*lines, strict=False)) if one != other), min(map(len, lines)))
    return f"differs in line {row + 1}"


def compared(trees: list[Tree]) -> dict[str, str | None]:
    """File -> how it differs."""
    files = [
        path.relative_to(trees[0].work)
        for path in sorted(trees[0].work.rglob("*"))
        if path.suffix == ".ckpt" or path.name in TABLES
    ]
    found = {
        str(path): difference(trees[0].work / path, trees[1].work / path)
        for path in files
        if path.parts[0] != "stopped"  # where the signal came is a matter of time
    }
    return {**found, **{f"search {key}": said for key, said in _searches(trees).items()}}


def _searches(trees: list[Tree]) -> dict[str, str | None]:
    paths = [tree.work / "search" / "search.json" for tree in trees]
    if not paths[0].exists():
        return {}
    trials = [json.loads(path.read_text())["trials"] for path in paths]
    keys = ("params", "values", "value", "state")
    chosen = [[{key: trial[key] for key in keys if key in trial} for trial in some] for some in trials]
    return {"trials": None if chosen[0] == chosen[1] else "were chosen, or ended, otherwise"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="a new folder that keeps what both wrote")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between; default: all")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = (options.keep or Path(scratch)).resolve()
        code = place / "lungseg-before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "-q", "--detach", code, REFERENCE], check=True)
        try:
            trees = [Tree(code, place / "before"), Tree(ROOT, place / "after")]
            seconds = {part: [_timed(tree, part) for tree in trees] for part in options.only.split(",")}
            found = compared(trees)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", code], check=True)
    for part, (before, after) in seconds.items():
        print(f"{part:10} {before:6.1f} s before {after:6.1f} s after")
    for path, said in found.items():
        print(f"{path:60} {said or 'the same'}")
    unlike = [path for path, said in found.items() if said]
    save("before_after", {
        "machine": machine("torch", "pytorch-lightning", "numpy"), "reference": REFERENCE, "files": len(found),
        "different": unlike, "seconds": seconds,
    })  # fmt: skip
    print(f"{len(found)} compared, {len(unlike)} different")
    sys.exit(1 if unlike or not found else 0)


def _timed(tree: Tree, part: str) -> float:
    tree.work.mkdir(parents=True, exist_ok=True)
    (tree.work.parent / "home").mkdir(exist_ok=True)
    for program in ("train.py", "evaluate.py"):
        if not (tree.work / program).exists():
            (tree.work / program).symlink_to(tree.code / program)
    used = tree.do("-c", "import lungseg; print(lungseg.__path__[0])").strip()
    assert Path(used) == tree.code / "lungseg", f"{used} is imported, not {tree.code}"
    began = time.perf_counter()
    PARTS[part](tree)
    return round(time.perf_counter() - began, 1)


if __name__ == "__main__":
    main()
