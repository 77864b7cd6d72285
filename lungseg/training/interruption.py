"""Says how a training ended that did not come to its end, to its user and in its manifest."""

import contextlib

from lungseg.core.errors import Pruned, Stopped, UserError
from lungseg.core.run_directory import Run
from lungseg.core.shell_commands import resume_command
from lungseg.core.signals import Interrupted
from lungseg.data.loader import WorkerDiedError
from lungseg.training.distributed import slurm_requeue
from lungseg.training.distributed.connection import RankLost


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
        return WorkerDiedError(f"{error}; {go_on} data.workers=0")
    return error


def note(run: Run, error: Exception) -> None:
    """Writes into the manifest that the run failed, was stopped or pruned, and why."""
    status = "stopped" if isinstance(error, Stopped) else "pruned" if isinstance(error, Pruned) else "failed"
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}".splitlines()[0]
    with contextlib.suppress(UserError):  # on a full disk the first error is the one to be told
        run.update_manifest(status=status, reason=said)
