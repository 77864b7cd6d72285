"""The other ranks of one machine, started by rank zero. None outlives it, however it ends."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from lungseg.core import rank_environment
from lungseg.core.parent_death import PARENT
from lungseg.training.distributed import messages
from lungseg.training.distributed.coordinator import Coordinator


class LocalRanks:
    """Ranks 1, 2, ... as ``python -m lungseg.training.distributed.rank_process``; they ask rank zero what to do."""

    def __init__(self, leader: Coordinator) -> None:
        self.leader = leader
        token = secrets.token_hex(16)
        os.environ[messages.TOKEN] = token
        root = str(Path(__file__).resolve().parents[3])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        ranks = leader.place.ranks
        shared = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "MASTER_PORT": str(leader.port),
            PARENT: str(os.getpid()),
        }
        self.running = {
            rank: subprocess.Popen(
                [sys.executable, "-m", "lungseg.training.distributed.rank_process"],
                env={**shared, rank_environment.RANK: f"{rank}/{ranks}"},
                stdin=subprocess.DEVNULL,
            )
            for rank in range(1, ranks)
        }
        leader.why = self.why
        threading.Thread(target=self._watch, daemon=True).start()

    def why(self, rank: int) -> str:
        """How it ended, if it did."""
        try:
            code = self.running[rank].wait(timeout=8)
        except subprocess.TimeoutExpired:
            return ""
        if code >= 0:
            return f" with exit code {code}"
        return f": killed by {signal.Signals(-code).name}" + (", as where memory runs out" if code == -9 else "")

    def stop(self, seconds: float = 15.0) -> None:
        """They leave by themselves once rank zero has said so; those that do not are killed."""
        os.environ.pop(messages.TOKEN, None)
        deadline = time.monotonic() + seconds
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(deadline - time.monotonic(), 0.1))
            process.kill()
            process.wait()

    def _watch(self) -> None:
        """One that never connects has no line that could break."""
        while not self.leader.closed and self.leader.lost is None:
            for rank, process in self.running.items():
                if process.poll() is not None and not self.leader.closed:
                    time.sleep(1)  # what it said last is read first
                    self.leader.lost_before(rank, self.why(rank))
                    return
            time.sleep(0.2)
