"""The line between rank zero and the others: what is to be trained, who died, how it ended. Nothing heavy is imported.

Each other rank keeps a connection to rank zero open from its start to its end. A process that is killed closes its
own, so that no backend's time-out has to pass before the others know.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

from lungseg.core.errors import FailureKind, UserError
from lungseg.core.rank_environment import RankEnvironment
from lungseg.core.security.printable_text import print_error
from lungseg.training.distributed import messages

GRACE = 20.0  # seconds for a rank to end by itself once another is lost; it may wait for that one in vain


class RankLost(UserError):  # noqa: N818
    """Another rank died or failed; ``exit_code`` is its own where it had one."""

    kind = FailureKind.RANK_LOST

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Connection:
    """What both ends do: messages are JSON, one a line; ``lost`` is what is known of a rank that is no more."""

    def __init__(self, place: RankEnvironment) -> None:
        self.place = place
        self.lost: RankLost | None = None
        self.speaks = False  # it is this one's to say so
        self.at_last: Callable[[RankLost], None] = lambda _: None  # before the process is ended from without
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
                self.at_last(self.lost)
            print_error(self.lost)
        os._exit(self.lost.exit_code)


class FollowerRank(Connection):
    """The end of any rank but the first; connected once it is made."""

    def __init__(self, place: RankEnvironment) -> None:
        super().__init__(place)
        self._connection = messages.connect(place)
        messages.send(self._connection, {"rank": place.rank, "job": messages.token()})
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
        messages.send(self._connection, {"failed": message, "code": code})

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        messages.shut(self._connection)

    def _listen(self) -> None:
        rest, over = b"", False
        while not over:
            lines, rest, over = messages.read(self._connection, rest)
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
