"""Says how a training ended that did not come to its end, to its user and in its manifest."""

import contextlib
from collections.abc import Iterator

from lungseg.core.errors import Pruned, Stopped, UserError
from lungseg.core.failure_file import forget_failure, write_failure
from lungseg.core.run_directory import Run
from lungseg.core.shell_commands import resume_command
from lungseg.core.signals import Interrupted
from lungseg.data.loader import WorkerDiedError
from lungseg.training.distributed import slurm_requeue
from lungseg.training.distributed.connection import RankLost
from lungseg.training.out_of_memory import out_of_memory


def told(error: UserError | Interrupted, run: Run, further: bool) -> UserError:
    """Returns the error to raise, with the command that goes on; ``further``: it got further than where it began."""
    go_on = f"go on from what was saved by: {resume_command(run.path)}"
    if isinstance(error, Interrupted):
        again = f"nothing was saved; begin again by: {resume_command(run.path)}"
        return slurm_requeue.stopped(f"stopped at once; {go_on if run.last.exists() else again}", error.number, further)
    if isinstance(error, Stopped):
        return slurm_requeue.stopped(str(error), error.signal, further)
    if isinstance(error, RankLost) and run.last.exists():
        return RankLost(f"{error}; {go_on}", error.exit_code)
    if isinstance(error, WorkerDiedError) and run.last.exists():
        return WorkerDiedError(f"{error}; {go_on} data.workers=0", error.out_of_memory)
    return error


def note(run: Run, error: Exception) -> None:
    """Writes into the manifest that the run failed, was stopped or pruned, and why."""
    status = "stopped" if isinstance(error, Stopped) else "pruned" if isinstance(error, Pruned) else "failed"
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}".splitlines()[0]
    with contextlib.suppress(UserError):  # on a full disk the first error is the one to be told
        run.update_manifest(status=status, reason=said)


@contextlib.contextmanager
def kept(run: Run, batch_size: int, size_key: str) -> Iterator[None]:
    """Keeps in ``failure.json`` why the block failed; what an attempt before has left there is removed."""
    forget_failure(run.path)
    try:
        yield
    except BaseException as error:
        write_failure(run.path, out_of_memory(error, batch_size, size_key) or error)
        raise
