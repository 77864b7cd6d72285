"""The line between rank zero and the others: what is to be trained, who died, how it ended. Nothing heavy is imported.

Each other rank keeps a connection to rank zero open from its start to its end. A process that is killed closes its
own, so that no backend's time-out has to pass before the others know.
"""

import contextlib
import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from lungseg.errors import UserError
from lungseg.parallel import wire
from lungseg.parallel.cluster import Place

GRACE = 20.0  # seconds for a rank to end by itself once another is lost; it may wait for that one in vain
LINGER = 60.0  # seconds that rank zero waits for those to whom it has bad news


class RankLost(UserError):  # noqa: N818
    """Another rank died or failed; ``exit_code`` is its own where it had one."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Line:
    """What both ends do: messages are JSON, one a line; ``lost`` is what is known of a rank that is no more."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.lost: RankLost | None = None
        self.speaks = False  # it is this one's to say so
        self.at_last: Callable[[str], None] = lambda _: None  # before the process is ended from without
        self.changed = threading.Condition()
        self.closed = False

    def raise_if_lost(self, seconds: float = 0.0) -> None:
        """What a failed exchange between ranks was due to, once it is known."""
        with self.changed:
            self.changed.wait_for(lambda: self.lost is not None, seconds)
        if self.lost is not None:
            raise self.lost

    def _lose(self, message: str, exit_code: int, speaks: bool) -> None:
        """The main thread has ``GRACE`` to find it out; it may hang in an exchange with the one that is lost."""
        with self.changed:
            if self.lost is not None or self.closed:
                return
            self.lost, self.speaks = RankLost(message, exit_code), speaks
            self.changed.notify_all()
        threading.Thread(target=self._end_process, daemon=True).start()

    def _end_process(self) -> None:
        with self.changed:
            if self.changed.wait_for(lambda: self.closed, GRACE):
                return
        assert self.lost is not None
        if self.speaks:
            with contextlib.suppress(Exception):
                self.at_last(str(self.lost))
            print(f"error: {self.lost}", file=sys.stderr, flush=True)
        os._exit(self.lost.exit_code)


class Leader(Line):
    """Rank zero's end."""

    listened = False  # in this process, ever

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        host = "" if place.by else "127.0.0.1"
        try:
            self._server = socket.create_server((host, place.port), backlog=512)
        except OSError as error:
            raise UserError(
                f"port {place.port}: {error.strerror}; another run of this machine has it: set MASTER_PORT to one that "
                "is free, the same for all ranks"
            ) from None
        Leader.listened = True
        self.port: int = self._server.getsockname()[1]
        self.others: dict[int, socket.socket] = {}
        self.why: Callable[[int], str] = lambda rank: ""  # how a process ended that rank zero has started
        wire.own(self._server)
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
        wire.shut(self._server)

    def _tell(self, **message: Any) -> None:
        for connection in list(self.others.values()):
            wire.send(connection, message)

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
                        wire.keep(new)
                        selector.register(new, selectors.EVENT_READ)
                        rest[new] = b""
                    continue
                lines, rest[connection], over = wire.read(connection, rest[connection])
                for line in lines:
                    self._heard(connection, line)
                if over:
                    selector.unregister(connection)
                    self._left(connection)

    def _heard(self, connection: socket.socket, message: dict[str, Any]) -> None:
        if message.get("job") == wire.token() and 0 < int(message["rank"]) < self.place.ranks:
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


def dismiss(place: Place, code: int) -> None:
    """Rank zero ends before it has begun to listen: those that come are told."""
    if place.ranks > 1 and place.rank == 0 and not Leader.listened:
        with contextlib.suppress(UserError):
            Leader(place).end(code)


class Follower(Line):
    """Any other rank's end."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._connection = wire.connect(place)
        wire.send(self._connection, {"rank": place.rank, "job": wire.token()})
        self.told: dict[str, Any] | None = None
        self.code: int | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def begin(self) -> dict[str, Any]:
        """What rank zero wants done, once it has looked at everything."""
        with self.changed:
            self.changed.wait_for(lambda: self.told is not None or self.lost is not None or self.code is not None)
        if self.told is None:
            raise self.lost or RankLost("rank 0 ended", self.code or 1)
        return self.told

    def end(self) -> int:
        """The exit code, once rank zero has tested the weights and says it."""
        with self.changed:
            self.changed.wait_for(lambda: self.lost is not None or self.code is not None)
        return self.code if self.code is not None else 1

    def fail(self, message: str, code: int) -> None:
        wire.send(self._connection, {"failed": message, "code": code})

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        wire.shut(self._connection)

    def _listen(self) -> None:
        rest, over = b"", False
        while not over:
            lines, rest, over = wire.read(self._connection, rest)
            for line in lines:
                self._heard(line)
        first = self.place.rank == 1 or self.place.local_rank == 0
        if self.code is None:
            self._lose(f"rank 0 of {self.place.ranks} died", 1, speaks=first)

    def _heard(self, message: dict[str, Any]) -> None:
        with self.changed:
            if "begin" in message:
                self.told = message["begin"]
            if "end" in message:
                self.code = int(message["end"])
            self.changed.notify_all()
        if "lost" in message:
            self._lose(f"rank {message['lost']} is lost", message["code"], speaks=False)
        if "end" in message and self.told is not None:
            self._lose("rank 0 ended", int(message["end"]) or 1, speaks=False)
