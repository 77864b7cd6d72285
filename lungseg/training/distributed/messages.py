"""Messages between processes: JSON, one a line, over TCP."""

import contextlib
import json
import os
import socket
import time
from typing import Any

from lungseg.core import slurm
from lungseg.core.errors import UserError
from lungseg.core.rank_environment import RankEnvironment

TOKEN = "LUNGSEG_TOKEN"
JOIN = 300.0  # seconds in which rank zero must have begun to listen
_open: set[socket.socket] = set()


def _close_inherited() -> None:
    """In a loading process: a connection that it holds, too, would outlive its rank."""
    for connection in list(_open):
        connection.close()


if hasattr(os, "register_at_fork"):  # elsewhere no process is forked
    os.register_at_fork(after_in_child=_close_inherited)


def token() -> str:
    """Keeps a rank of an earlier attempt, or of another job, out."""
    return os.environ.get(TOKEN) or f"{slurm.job()}/{os.environ.get('SLURM_RESTART_COUNT', 0)}"


def connect(place: RankEnvironment) -> socket.socket:
    deadline = time.monotonic() + JOIN
    while True:
        try:
            connection = socket.create_connection((place.address, place.port), timeout=10)
        except OSError as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"rank {place.rank}: rank 0 cannot be reached at {place.address}:{place.port} ({error}); if that "
                    "is not its name, set MASTER_ADDR"
                ) from None
            time.sleep(0.2)
            continue
        connection.settimeout(None)
        keep(connection)
        return connection


def keep(connection: socket.socket) -> None:
    """A machine that lost its power closes nothing: after 90 silent seconds the connection is over."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    own(connection)


def own(connection: socket.socket) -> None:
    """Of this process alone: closed in those that it forks."""
    _open.add(connection)


def send(connection: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps(message).encode() + b"\n")


def read(connection: socket.socket, rest: bytes) -> tuple[list[dict[str, Any]], bytes, bool]:
    """Whole messages, what came of the next one, and whether that was all."""
    try:
        new = connection.recv(1 << 16)
    except OSError:
        new = b""
    *lines, rest = (rest + new).split(b"\n")
    messages = []
    for line in lines:
        with contextlib.suppress(ValueError):
            messages.append(json.loads(line))
    return [message for message in messages if isinstance(message, dict)], rest, not new


def shut(connection: socket.socket) -> None:
    _open.discard(connection)
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
