"""Signs of life: each worker touches a file of its own in the study's folder; who does not is taken for dead.

Only the file server's clock is looked at, so the clocks of the machines may differ.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from lungseg.core.atomic_io import write_atomically
from lungseg.core.security.safe_json import parse_json, read_plain_file


class Heartbeat:
    """Of this process, from ``start`` to ``stop``. ``lost`` is set once nobody can have seen it for too long."""

    def __init__(self, folder: Path, heartbeat: float, about: dict[str, Any]) -> None:
        self.name = f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{uuid.uuid4().hex[:4]}"
        self.path = folder / "workers" / f"{self.name}.json"
        self.heartbeat, self.about = heartbeat, about
        self.lost, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def start(self) -> None:
        write_atomically(self.path, json.dumps({**_here(os.getpid()), **self.about}) + "\n")
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()
        self.path.unlink(missing_ok=True)

    def now(self) -> float:
        """The file server's time."""
        self.path.touch()
        return self.path.stat().st_mtime

    def _beat(self) -> None:
        seen = time.monotonic()
        while not self._done.wait(self.heartbeat / 6):
            try:
                os.utime(self.path)
                seen = time.monotonic()
                self.lost.clear()
            except OSError:
                if time.monotonic() - seen > self.heartbeat / 2:
                    self.lost.set()


def dead(folder: Path, name: str, now: float, heartbeat: float) -> bool:
    """Whether the worker gives no sign any more; one on this machine is dead as soon as its process is."""
    path = folder / "workers" / f"{name}.json"
    try:
        seen, about = path.stat().st_mtime, parse_json(read_plain_file(path))
    except FileNotFoundError:
        return path.parent.is_dir()  # it has gone in good order, or never wrote one
    except (OSError, ValueError):
        return False
    if now - seen > heartbeat:
        return True
    if not isinstance(about, dict) or not isinstance(about.get("pid", 0), int):
        return False
    if about.get("machine") != _machine():
        return False
    here = _here(about.get("pid", 0))
    return bool(here["began"] != about.get("began"))


def alive(folder: Path, heartbeat: float) -> list[dict[str, Any]]:
    """What each living worker says of itself, with its ``name``."""
    now, found = time.time(), []
    for path in sorted(_signs(folder)):
        try:
            about = parse_json(read_plain_file(path))
        except (OSError, ValueError):
            continue
        if not isinstance(about, dict) or not isinstance(about.get("slots", 0), int):
            continue
        if not dead(folder, path.stem, now, heartbeat):
            found.append({**about, "name": path.stem})
    return found


def sweep_away(folder: Path, now: float, heartbeat: float) -> None:
    """The files of the dead, once nobody asks for them any more."""
    for path in _signs(folder):
        with contextlib.suppress(FileNotFoundError):  # its worker has just taken it along
            if dead(folder, path.stem, now, heartbeat) and now - path.stat().st_mtime > heartbeat:
                path.unlink(missing_ok=True)


def _signs(folder: Path) -> list[Path]:
    """Those that are whole: what is being written begins with a dot."""
    return [path for path in (folder / "workers").glob("*.json") if not path.name.startswith(".")]


def _here(pid: int) -> dict[str, Any]:
    job = "_".join(filter(None, (os.environ.get(f"SLURM_{name}") for name in ("ARRAY_JOB_ID", "ARRAY_TASK_ID"))))
    host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    return {
        "host": host,
        "machine": _machine(),
        "pid": pid,
        "began": _began(pid),
        "job": job or os.environ.get("SLURM_JOB_ID"),
    }


def _machine() -> str:
    """The boot of this machine, and the space in which its process numbers hold."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _began(pid: int) -> str | None:
    """When a process began, which tells it from a later one of its number; None where there is none, or a zombie."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] == "Z" else words[19]
