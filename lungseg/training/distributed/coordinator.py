"""Rank zero's end of the line: it waits for the others, tells them what to do, and hears when one is no more."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.rank_environment import RankEnvironment
from lungseg.training.distributed import messages
from lungseg.training.distributed.connection import Connection

LINGER = 60.0  # seconds that rank zero waits for those to whom it has bad news


class Coordinator(Connection):
    """Of ``place``, rank zero."""

    listened = False  # in this process, ever

    def __init__(self, place: RankEnvironment) -> None:
        super().__init__(place)
        host = "" if place.by else "127.0.0.1"
        try:
            self._server = socket.create_server((host, place.port), backlog=512)
        except OSError as error:
            raise UserError(
                f"port {place.port}: {error.strerror}; another run of this machine has it: set MASTER_PORT to one that "
                "is free, the same for all ranks"
            ) from None
        Coordinator.listened = True
        self.port: int = self._server.getsockname()[1]
        self.others: dict[int, socket.socket] = {}
        self.why: Callable[[int], str] = lambda rank: ""  # how a process ended that rank zero has started
        messages.own(self._server)
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(self, minutes: float, **content: Any) -> None:
        """Wait for all ranks and tell them what is to be done."""
        everyone = set(range(1, self.place.ranks))
        with self.changed:
            self.changed.wait_for(lambda: self.lost is not None or everyone <= set(self.others), 60 * minutes)
            missing = sorted(everyone - set(self.others))
        self.raise_if_lost()
        if missing:
            ranks = ", ".join(map(str, missing))
            raise UserError(
                f"rank {ranks} of {self.place.ranks} did not come within {minutes:g} minutes "
                "(trainer.rank_timeout_minutes); look at the output of its node"
            )
        self._tell(begin=content)

    def end(self, code: int) -> None:
        """The others leave with ``code``; those that something else started and that are still to come, too."""
        with self.changed:
            if code and self.place.by and self.lost is None:
                self.changed.wait_for(lambda: len(self.others) == self.place.ranks - 1 or self.lost is not None, LINGER)
            self.closed = True
            self.changed.notify_all()
        self._tell(end=code)
        messages.shut(self._server)

    def _tell(self, **message: Any) -> None:
        for connection in list(self.others.values()):
            messages.send(connection, message)

    def _listen(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._server, selectors.EVENT_READ)
        rest: dict[socket.socket, bytes] = {}
        while not self.closed:
            for key, _ in selector.select(timeout=1):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                if connection is self._server:
                    with contextlib.suppress(OSError):
                        new, _ = self._server.accept()
                        messages.keep(new)
                        selector.register(new, selectors.EVENT_READ)
                        rest[new] = b""
                    continue
                lines, rest[connection], over = messages.read(connection, rest[connection])
                for line in lines:
                    self._heard(connection, line)
                if over:
                    selector.unregister(connection)
                    self._left(connection)

    def _heard(self, connection: socket.socket, message: dict[str, Any]) -> None:
        if message.get("job") == messages.token() and 0 < int(message["rank"]) < self.place.ranks:
            with self.changed:
                self.others[int(message["rank"])] = connection
                self.changed.notify_all()
        elif "failed" in message and connection in self.others.values():
            self._lost_rank(self._rank(connection), str(message["failed"]), int(message["code"]))

    def _left(self, connection: socket.socket) -> None:
        if connection in self.others.values() and not self.closed:
            rank = self._rank(connection)
            self._lost_rank(rank, f"died{self.why(rank)}", 1)

    def lost_before(self, rank: int, why: str) -> None:
        """A process that rank zero started ended without a word."""
        self._lost_rank(rank, f"died{why}", 1)

    def _lost_rank(self, rank: int, what: str, code: int) -> None:
        self._lose(f"rank {rank} of {self.place.ranks} {what}", code, speaks=True)
        self._tell(lost=rank, code=code)

    def _rank(self, connection: socket.socket) -> int:
        return next(rank for rank, other in self.others.items() if other is connection)


def dismiss(place: RankEnvironment, code: int) -> None:
    """Rank zero ends before it has begun to listen: those that come are told."""
    if place.ranks > 1 and place.rank == 0 and not Coordinator.listened:
        with contextlib.suppress(UserError):
            Coordinator(place).end(code)
