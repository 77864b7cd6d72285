"""The run directory: written once, found again, read back."""

import platform
import shlex
import subprocess
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from lungseg.core.atomic_io import write_atomically, write_json
from lungseg.core.config.compose import as_yaml
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.config.validation import require_values
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import require_config_as_written
from lungseg.core.locks import locked
from lungseg.core.manifest import manifest_so_far, read_manifest
from lungseg.core.programs import ROOT, command_line
from lungseg.core.security.links import require_no_links_out
from lungseg.core.security.saved_config import read_saved_values, require_buildable
from lungseg.core.shell_commands import setting

FAILURE = "failure.json"
PACKAGES = [
    "lungseg",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "segmentation-models-pytorch",
    "timm",
    "albumentations",
    "opencv-python-headless",
    "numpy",
    "hydra-core",
    "omegaconf",
    "wandb",
]


@dataclass(frozen=True)
class Run:
    """A directory that explains itself; see the properties for what lies where."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def manifest_file(self) -> Path:
        return self.path / "manifest.json"

    @property
    def splits_file(self) -> Path:
        return self.path / "splits.json"

    @property
    def baseline_file(self) -> Path:
        return self.path / "mean_mask.npz"

    @property
    def thresholds_file(self) -> Path:
        return self.path / "thresholds.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def log_file(self) -> Path:
        return self.path / "train.log"

    @property
    def overlays(self) -> Path:
        return self.path / "overlays"

    @property
    def best(self) -> Path:
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last(self) -> Path:
        return self.path / "checkpoints" / "last.ckpt"

    def config(self) -> TrainConfig:
        """Returns what the run was made of, every ``auto`` and interpolation resolved; refuses code of others."""
        values = require_buildable(self.saved_values(), self.config_file)
        require_config_as_written(self.path)
        try:
            return TrainConfig.of(require_values(values))
        except UserError as error:
            raise UserError(f"{self.config_file}: {error}") from None

    def write_config(self, config: TrainConfig) -> None:
        """Keeps what the run is made of."""
        write_atomically(self.config_file, as_yaml(config.to_dict()))

    def saved_values(self) -> dict[str, Any]:
        """Returns what config.yaml says, as data of which nothing may be built."""
        return read_saved_values(self.config_file)

    def manifest(self) -> dict[str, Any]:
        """Code, packages, device, data, seed, times."""
        return read_manifest(self.manifest_file)

    def update_manifest(self, **values: Any) -> None:
        """Adds or changes these keys; the others stay, also those that another process writes at the same time."""
        with locked(self.manifest_file):
            content = manifest_so_far(self.manifest_file)
            write_json(self.manifest_file, content | values)


def create_run(path: str | None, name: str) -> Run:
    """``runs/<time>-<name>``, or ``path``; one that exists already is refused."""
    if path is None:
        stem = Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{name}"
        candidates = [stem, *(stem.with_name(f"{stem.name}-{n}") for n in range(2, 1000))]
    else:
        candidates = [Path(path)]
    for directory in candidates:
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if path is not None and directory.is_dir() and {one.name for one in directory.iterdir()} <= {FAILURE}:
                (directory / FAILURE).unlink(missing_ok=True)  # an attempt before failed early and left nothing else
                return Run(directory)
            continue
        except OSError as error:
            raise UserError(
                f"run_dir={directory}: cannot be made ({error.strerror}); choose another run_dir=..."
            ) from None
        return Run(directory)
    raise UserError(
        f"run_dir={path}: exists already; go on with it by {setting('resume', path)}, or choose another run_dir=..."
    )


def open_run(path: str, key: str = "run") -> Run:
    """A run that was trained before; what is missing is said."""
    run = Run(Path(path))
    if run.path.is_file():
        above = next((folder for folder in run.path.parents if (folder / "config.yaml").is_file()), None)
        hint = f", here {setting(key, above)}" if above else ""
        raise UserError(f"{key}={path}: is a file; expected a run directory, as train.py prints it at its end{hint}")
    if not run.path.is_dir():
        raise UserError(f"{key}={path}: no such directory; expected a run directory, as train.py prints it at its end")
    if not run.config_file.is_file():
        inner = sorted(run.path.glob("*/config.yaml"))
        hint = f", for example {setting(key, inner[-1].parent)}" if inner else ""
        raise UserError(
            f"{key}={path}: holds no config.yaml, so it is no run directory; give one that train.py made{hint}"
        )
    require_no_links_out(run.path)
    return run


def environment(device: str) -> dict[str, Any]:
    """What must be known to make a run again: the code's commit, versions, the machine."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "git": _git(),
        "command": shlex.join(command_line()),
        "python": platform.python_version(),
        "packages": versions,
        "device": device,
        "machine": platform.platform(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _git() -> dict[str, Any]:
    """Commit, and whether anything was changed since; nulls outside a checkout."""
    if not (ROOT / ".git").exists():  # installed within somebody's checkout: that is not lungseg's
        return {"commit": None, "dirty": None}

    def ask(*words: str) -> str | None:
        try:
            answer = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    status = ask("status", "--porcelain")
    return {"commit": ask("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}
