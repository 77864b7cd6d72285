"""Reads and checks ``manifest.json``: what a run directory says of how it was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lungseg.core.disk_format import FileSchema, Schema, Whole, mistake_in, require_known_format
from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import read_object

REMEDY = "restore it or train again"


class Split(Schema):
    """Says which split a run was trained on."""

    sha256: str | None = None


class Manifest(FileSchema):
    """Says what may be there; a key that an older lungseg did not write is absent, what else there is is not read."""

    status: Literal["running", "finished", "stopped", "pruned", "failed"] | None = None
    reason: str | None = None
    git: dict[str, Any] | None = None
    command: str | None = None
    python: str | None = None
    packages: dict[str, Any] | None = None
    device: str | None = None
    machine: str | None = None
    started: str | None = None
    slurm: dict[str, Any] | None = None
    seed: Whole | None = None
    data_fingerprint: str = ""
    split: Split = Split()
    cases: dict[str, Whole] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
    best_epoch: Whole | None = None
    epochs: Whole | None = None
    milliseconds_per_image: float | None = None
    training_seconds: float | None = None
    wall_seconds: float | None = None
    images_per_second: float | None = None
    peak_memory_mib: dict[str, Any] | None = None


FORMAT = Manifest.newest


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads a manifest whose known keys are of the right kind."""
    content = read_object(path, REMEDY)
    require_known_format(Manifest, content, path)
    if mistake := mistake_in(Manifest, content):
        raise UserError(f"{path}: {mistake}; {REMEDY}")
    _require_best_among_epochs(content, path)
    return content


def _require_best_among_epochs(content: Mapping[str, Any], path: Path) -> None:
    """Refuses a best epoch that was not trained; both count from 1."""
    best, epochs = content.get("best_epoch"), content.get("epochs")
    if best is not None and not 1 <= best <= (best if epochs is None else epochs):
        raise UserError(f"{path}: best_epoch is {best}; expected one of the {epochs} epochs trained; {REMEDY}")


def manifest_so_far(path: Path) -> dict[str, Any]:
    """Reads a manifest that may not be there yet; one that is there and cannot be seen is no empty one."""
    try:
        path.lstat()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from None
    return read_manifest(path)


def data_fingerprint(manifest: Mapping[str, Any], path: Path) -> str:
    """Returns the hash of the data that the run was trained on; a manifest without one is refused."""
    value = manifest.get("data_fingerprint")
    if not value:
        raise UserError(f"{path}: has no data_fingerprint, so nobody knows what data the run was trained on; {REMEDY}")
    return str(value)
