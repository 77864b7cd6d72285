import hashlib
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray
from PIL import Image

from lungseg.core import atomic_io
from lungseg.core.arrays import Mask, Probabilities
from lungseg.core.prediction import Prediction
from lungseg.data.case import Case
from lungseg.data.loaded_case import LoadedCase
from lungseg.tasks.regions import Regions
from lungseg.tasks.segmentation.task import Segmentation

StrPath = str | os.PathLike[str]

GROUPS = (
    "task", "data", "model", "loss", "optim", "schedule", "augment", "trainer", "callbacks", "logger", "experiment"
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(["lungseg.training.train", "lungseg.evaluation.evaluate", "lungseg.models.smp"])


def run_program(
    *words: str, cwd: StrPath, env: Mapping[str, str] | None = None, timeout: float = 240
) -> "subprocess.CompletedProcess[str]":
    """Runs a program of the repository as a user starts it."""
    script, *rest = words
    return subprocess.run(
        [sys.executable, *([script] if script == "-m" else [str(ROOT / script)]), *rest],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_warm(
    *words: str, cwd: StrPath, env: Mapping[str, str] | None = None, timeout: float = 240
) -> "subprocess.CompletedProcess[str]":
    """Runs the same in a process that begins where all is imported: for tests of what comes after that."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        process = WARM.Process(target=_become, args=(words, cwd, {**os.environ, **(env or {})}, out, err))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, timeout, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def _become(words: tuple[str, ...], cwd: StrPath, env: dict[str, str], out: Path, err: Path) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [str(ROOT / words[0]), *words[1:]]
    sys.path.insert(0, str(ROOT))
    runpy.run_path(sys.argv[0], run_name="__main__")


def vouch(run_dir: StrPath) -> None:
    """Writes the manifest of a run in which a test has changed something on purpose: as if it had been made so."""
    path = Path(run_dir) / "manifest.json"
    content = json.loads(path.read_text())
    sides = json.loads((path.parent / "splits.json").read_text())
    content |= {"split": {"sha256": sha256(path.parent / "splits.json")}}
    content |= {"cases": {name: len(side) for name, side in sides.items()}} if "cases" in content else {}
    content |= {"sha256": {name: sha256(path.parent / name) for name in content.get("sha256", {})}}
    path.write_text(json.dumps(content))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets every write from here on fail: there is no space left."""

    def on_a_full_disk(target: Path) -> tuple[Path, int]:
        partial = target.with_name(f".partial-1-00000000{target.suffix}")
        partial.symlink_to("/dev/full")
        return partial, os.open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(atomic_io, "_open_partial", on_a_full_disk)


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def regions(*names: str) -> Regions:
    """Returns the regions of a task as conf/task says what they are."""
    return Regions(names, {"infection": "lung"} if "infection" in names else {})


def segmentation(*names: str) -> Segmentation:
    """Returns the task of these regions."""
    found = regions(*names)
    return Segmentation("task", found.names, found.lesions)


def predicted(
    case: Case, image: Any, masks: Mask, probabilities: Probabilities, spacing: tuple[float, ...] | None = None
) -> tuple[LoadedCase, Prediction]:
    """Returns a loaded case and what is predicted of it, as predictors yield them."""
    return LoadedCase(case, image, masks), Prediction(case.id, probabilities, spacing=spacing)
