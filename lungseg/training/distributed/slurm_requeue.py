"""A job that SLURM runs again, with the same command: it goes on with the run that it began."""

import logging
import os
import shlex
import shutil
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from lungseg.core import rank_environment, slurm
from lungseg.core.errors import Stopped, UserError
from lungseg.core.programs import command_line
from lungseg.core.run_directory import Run

log = logging.getLogger("lungseg")

TIME = [getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name)]  # is running out


def stopped(message: str, number: int, further: bool = True) -> Stopped:
    """The error that ends a run after a signal; under SLURM the job is first queued again, if that is ours to do.

    Not where it got no further than it was: it would never end.
    """
    job = slurm.job() if rank_environment.place().rank == 0 else None
    if not further and number in TIME:
        return Stopped(f"{message}, no step further than before: SLURM gives the job too little time", number)
    if job is not None and slurm.requeue(number):
        return Stopped(f"{message.split(';')[0]}; SLURM runs job {job} again, which goes on by itself", number)
    return Stopped(message, number)


def watch_the_start() -> None:
    """A signal while everything is still being imported: a job that is preempted then must come back, too."""

    def leave(number: int, frame: FrameType | None) -> None:
        said = stopped("stopped before training began", number, further=False)
        if rank_environment.place().rank == 0:
            os.write(2, f"error: {said}\n".encode())
        os._exit(said.exit_code)

    for number in (signal.SIGTERM, *TIME[:1]):
        signal.signal(number, leave)


def identity() -> dict[str, Any]:
    """For the manifest: which job made this run; nothing outside SLURM."""
    if slurm.job() is None:
        return {}
    return {"slurm": {"job": slurm.job(), "cluster": os.environ.get("SLURM_CLUSTER_NAME")}}


def begun_before(run_dir: str | None) -> Run | None:
    """The run of this very job, where SLURM runs it again and there is a checkpoint, or it is finished.

    What was begun but never saved is removed. A directory that another job made, or a person, is no one's to go on
    with by mistake: it is refused later like any that exists.
    """
    if not slurm.restarted():
        return None
    places = [Path(run_dir)] if run_dir else sorted(Path("runs").glob("*/manifest.json"), reverse=True)
    for path in places:
        run = Run(path if run_dir else path.parent)
        if not _is_of_this_job(run, any_command=bool(run_dir)):
            continue
        if run.last.exists():
            return run
        log.info("%s: begun but never saved by this job; it begins again", run.path)
        shutil.rmtree(run.path)
    return None


def _is_of_this_job(run: Run, any_command: bool) -> bool:
    try:
        manifest = run.manifest()
    except UserError:
        return False
    return manifest.get("slurm") == identity()["slurm"] and (
        any_command or manifest.get("command") == shlex.join(command_line())
    )
