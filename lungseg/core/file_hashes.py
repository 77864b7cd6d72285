"""Checks a run's files against the hashes that its manifest holds."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.manifest import REMEDY, data_fingerprint, read_manifest
from lungseg.core.security.safe_json import described, read_object

MANIFEST, CONFIG, SPLITS = "manifest.json", "config.yaml", "splits.json"
BASELINE, WEIGHTS = "mean_mask.npz", "checkpoints/best.ckpt"
CROP, GATE = "crop", "gate"  # folders of copied runs that find lungs, which have no manifests of their own
COPIES = tuple(f"{folder}/{name}" for folder in (CROP, GATE) for name in (CONFIG, WEIGHTS))
MADE_ONCE = (CONFIG, BASELINE, *COPIES)  # before training begins
EXPLAINED: Mapping[str, str] = {
    CONFIG: "it was edited, or is another run's; restore it; if only the data has moved, "
    "leave it as it was and add data.root=FOLDER to the command",
    SPLITS: "scores could be of training images; restore it or train again",
    WEIGHTS: "they are not those that training ended with; restore them or train again",
}


def file_hash(path: Path) -> str:
    """Returns a file's SHA-256; the same file is read once."""
    there = path.stat()
    return _file_hash(path, there.st_ino, there.st_size, there.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_hash(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Returns the hash of each of the files that are there, for the manifest."""
    return {name: file_hash(folder / name) for name in names if (folder / name).is_file()}


def require_config_as_written(folder: Path) -> None:
    """Refuses a config that was changed since the run was made; without a manifest nothing is known of it."""
    home, name = folder, CONFIG
    if folder.name in (CROP, GATE) and not (folder / MANIFEST).exists():
        home, name = folder.parent, f"{folder.name}/{CONFIG}"
    if (home / MANIFEST).is_file():
        _require(home, name, read_manifest(home / MANIFEST).get("sha256", {}).get(name))


def require_as_written(folder: Path, names: Iterable[str] = (*MADE_ONCE, WEIGHTS)) -> None:
    """Refuses a run of which the split, or one of the named files that the manifest knows, was changed."""
    manifest = read_manifest(folder / MANIFEST)
    require_complete(folder, manifest)
    require_splits_as_written(folder, manifest)
    _require_numbers_of_cases(folder, manifest)
    for name in names:
        _require(folder, name, manifest.get("sha256", {}).get(name))


def require_comparable(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuses a run whose manifest, split or config was changed.

    The weights are left to evaluate.py: a comparison of 200 runs would read 100 MB of each, and uses none of it.
    """
    require_complete(folder, manifest)
    require_splits_as_written(folder, manifest)
    _require_numbers_of_cases(folder, manifest)
    _require(folder, CONFIG, manifest.get("sha256", {}).get(CONFIG))


def require_complete(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuses a manifest that lacks what its format always holds; one without a format is older, and may."""
    if manifest.get("format") is None:
        return
    path = folder / MANIFEST
    baseline = [BASELINE] if (folder / BASELINE).exists() else []  # which not every task has; one that does reads it
    needed = (CONFIG, *baseline, *([WEIGHTS] if manifest.get("status") == "finished" else []))
    lacking = [name for name in needed if name not in manifest.get("sha256", {})]
    if lacking:
        raise UserError(
            f"{path}: has no sha256 of {lacking[0]}, so nobody knows whether it is as the run wrote it; {REMEDY}"
        )
    data_fingerprint(manifest, path)


def require_splits_as_written(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuses a split that is not the one that the run was trained with, or of which that cannot be known."""
    saved = manifest.get("split", {}).get("sha256")
    if not saved:
        raise UserError(
            f"{folder / MANIFEST}: has no split.sha256, so nobody knows whether {SPLITS} is the split that the run was "
            f"trained with; {REMEDY}"
        )
    _require(folder, SPLITS, saved)


def _require_numbers_of_cases(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Refuses a split with more or fewer cases on a side than the run was made with."""
    sides = read_object(folder / SPLITS, REMEDY)
    for name, number in manifest.get("cases", {}).items():
        side = sides.get(name)
        if not isinstance(side, dict) or len(side) != number:
            has = f"{len(side)} cases" if isinstance(side, dict) else described(side)
            raise UserError(f"{folder / SPLITS}: {name} has {has}, {MANIFEST} says {number}; {EXPLAINED[SPLITS]}")


def _require(folder: Path, name: str, saved: str | None) -> None:
    """Passes over what the manifest does not know: older ones hold fewer hashes."""
    path = folder / name
    if saved is None:
        return
    try:
        now = file_hash(path) if path.is_file() else None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from None
    if now is None:
        raise UserError(f"{path}: is missing or no plain file; {REMEDY}")
    if now != saved:
        why = EXPLAINED.get(name, REMEDY)
        raise UserError(
            f"{path}: is not as the run wrote it (sha256 {now[:8]}..., in {folder / MANIFEST} {saved[:8]!a}...): {why}"
        )
