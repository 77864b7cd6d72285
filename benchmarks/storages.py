"""Storages to measure a study's state in: a journal, SQLite, and PostgreSQL where its programs are there."""

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import TrialState

from lungseg.sweep.state.trial_queue import TrialQueue

CHOICES = ("journal", "sqlite", "postgresql")


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str | None]:
    """The address of a server of its own; None where there are no programs for it."""
    programs: Path | None = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if programs is None:
        yield None
        return
    folder.mkdir()
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    as_user: list[str | Path] = ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []
    shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    subprocess.run(
        [*as_user, programs / "initdb", "-D", folder / "db", "-A", "trust", "-U", "bench"],
        check=True, stdout=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    with (folder / "log").open("w") as log:
        options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]
        command = [*as_user, programs / "postgres", "-D", folder / "db", *options]
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        until = time.monotonic() + 60
        place = ["-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run([programs / "pg_isready", "-q", *place], check=False).returncode:
            if time.monotonic() > until:
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.2)
        for number in range(20):
            psql = [programs / "psql", "-q", *place, "-U", "bench", "postgres", "-c"]
            subprocess.run([*map(str, psql), f"create database d{number}"], check=True)
        yield f"postgresql+psycopg2://bench@127.0.0.1:{port}/d"
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def storages(chosen: str) -> Iterator[Any]:
    """Name -> a function from a number and a folder to a new storage's address, for those that there are."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        with postgresql(Path(place) / "postgresql") as server:
            found: dict[str, Callable[[int, Path], str | None]] = {"journal": lambda number, folder: None}
            found["sqlite"] = lambda number, folder: f"sqlite:///{folder.resolve()}/state.db"
            if server:
                found["postgresql"] = lambda number, folder: f"{server}{number}"
            os.chdir(place)
            yield {name: make for name, make in found.items() if chosen in ("all", name)}


def insert(queue: TrialQueue, names: list[str], finished: int, first: int) -> None:
    """Rows as ``TrialQueue.fill`` makes them, from number ``first`` on, all at once; so many of them finished."""
    now, storage = datetime.now(), queue.storage
    done = [number < finished for number in range(len(names))]
    if isinstance(storage, JournalStorage):
        stamp = now.astimezone(UTC).isoformat(timespec="microseconds")
        row = {"op_code": 4, "worker_id": "insert", "study_id": queue._id, "values": None, "distributions": {}}
        row |= {"params": {}, "system_attrs": {}, "intermediate_values": {}}
        ends = [{"datetime_start": stamp, "datetime_complete": stamp, "state": 1, "value": 0.5}]
        ends.insert(0, {"datetime_start": None, "state": 4, "value": None})
        logs = [row | ends[end] | {"user_attrs": {"name": name}} for name, end in zip(names, done, strict=True)]
        storage._backend.append_logs(logs)
        return
    with _create_scoped_session(storage._backend.scoped_session) as session:  # type: ignore[attr-defined]
        for number, (name, end) in enumerate(zip(names, done, strict=True), first):
            state, stamps = TrialState.WAITING, {}
            if end:
                state, stamps = TrialState.COMPLETE, {"datetime_start": now, "datetime_complete": now}
            trial = models.TrialModel(study_id=queue._id, number=number, state=state, **stamps)
            session.add(models.TrialUserAttributeModel(trial=trial, key="name", value_json=json.dumps(name)))
            if end:
                kind = models.TrialValueModel.TrialValueType.FINITE
                session.add(models.TrialValueModel(trial=trial, objective=0, value=0.5, value_type=kind))
