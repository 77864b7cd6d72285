"""Reads and checks ``manifest.json``: what a run directory says of how it was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import KINDS, described, is_kind, read_object

FORMAT = 1  # of the manifest; one without a number is older, and has fewer keys
REMEDY = "restore it or train again"

STATUSES = ("running", "finished", "stopped", "pruned", "failed")
NOTHING = type(None)
KEYS: Mapping[str, tuple[type, ...]] = {  # what may be there; what else there is is kept and not read
    "format": (int,),
    "status": (str, NOTHING),
    "reason": (str, NOTHING),
    "git": (dict, NOTHING),
    "command": (str, NOTHING),
    "python": (str, NOTHING),
    "packages": (dict, NOTHING),
    "device": (str, NOTHING),
    "machine": (str, NOTHING),
    "started": (str, NOTHING),
    "slurm": (dict, NOTHING),
    "seed": (int, NOTHING),
    "data_fingerprint": (str,),
    "split": (dict,),
    "cases": (dict,),
    "sha256": (dict,),
    "best_epoch": (int, NOTHING),
    "epochs": (int, NOTHING),
    "milliseconds_per_image": (float, NOTHING),
    "training_seconds": (float, NOTHING),
    "wall_seconds": (float, NOTHING),
    "images_per_second": (float, NOTHING),
    "peak_memory_mib": (dict, NOTHING),
}


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads a manifest whose known keys are of the right kind; a key that an older lungseg did not write is absent."""
    content = read_object(path, REMEDY)
    if is_kind(content.get("format"), int) and content["format"] > FORMAT:
        raise UserError(
            f"{path}: format {content['format']} is of a newer lungseg; this one knows {FORMAT}: update lungseg"
        )
    for key, kinds in KEYS.items():
        if key in content and not is_kind(content[key], kinds):
            raise _wrong(path, key, content[key], KINDS[kinds[0]])
    for key, kind in (("cases", int), ("sha256", str)):
        for name, value in content.get(key, {}).items():
            if not is_kind(value, kind):
                raise _wrong(path, f"{key}.{name}", value, KINDS[kind])
    sha256 = content.get("split", {}).get("sha256")
    if sha256 is not None and not isinstance(sha256, str):
        raise _wrong(path, "split.sha256", sha256, KINDS[str])
    if content.get("status") not in (*STATUSES, None):
        raise _wrong(path, "status", content["status"], ", ".join(STATUSES))
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


def _wrong(path: Path, key: str, value: Any, expected: str) -> UserError:
    return UserError(f"{path}: {key} is {described(value)}; expected {expected}; {REMEDY}")


def data_fingerprint(manifest: Mapping[str, Any], path: Path) -> str:
    """Returns the hash of the data that the run was trained on; a manifest without one is refused."""
    value = manifest.get("data_fingerprint")
    if not value:
        raise UserError(f"{path}: has no data_fingerprint, so nobody knows what data the run was trained on; {REMEDY}")
    return str(value)
