"""What the programs say: to the screen, and to the run's log file with the time."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_only

from lungseg.core import rank_environment
from lungseg.core.security.printable_text import SafeFormatter

LIBRARIES = ("pytorch_lightning", "lightning_fabric")
NOISE = (  # true of this program by design, of no use to its user
    ".*does not have many workers.*",
    ".*in eval mode at the start of training.*",
    ".*resuming from a checkpoint that ended before the epoch ended.*",
    ".*GPU available but not used.*",
    ".*is smaller than the logging interval.*",
    ".*exists and is not empty.*",
    ".*LeafSpec.*",
    ".*srun.*",
    ".*sync_dist=True.*",  # validation numbers are reduced over ranks before they are logged
)


def rank() -> int:
    """Of this process among those of the run, also before a trainer exists."""
    return rank_environment.place().rank


def to_screen() -> None:
    """Rank zero's messages to standard output; the libraries' warnings to the log file alone."""
    setattr(rank_zero_only, "rank", rank())  # noqa: B010 - which guesses from SLURM's variables that srun was used
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    log = logging.getLogger("lungseg")
    log.setLevel(logging.INFO if rank() == 0 else logging.ERROR)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(SafeFormatter("%(message)s"))
    log.addHandler(handler)
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.handlers.clear()
        library.propagate = False


class LogFile(logging.FileHandler):
    """Quiet where it cannot write: a full disk is said by what the run cannot do without."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def to_file(path: Path) -> Iterator[None]:
    """Append all messages, the libraries' warnings too, to ``path`` while the block runs."""
    if rank() != 0:
        yield
        return
    handler = LogFile(path, delay=True)
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(message)s"))
    writers = [logging.getLogger(name) for name in ("lungseg", *LIBRARIES)]
    for writer in writers:
        writer.addHandler(handler)
    try:
        yield
    finally:
        for writer in writers:
            writer.removeHandler(handler)
        handler.close()
