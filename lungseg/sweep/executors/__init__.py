"""Where workers run. All of them do the same work, on the same study; an executor only starts them."""

from typing import Protocol

from lungseg.sweep.run.trial_process import Stop
from lungseg.sweep.spec.study import Study


class Executor(Protocol):
    """``stop`` is what this process was asked for; workers elsewhere are told by a file in the study's folder."""

    def start(self, waiting: int) -> None:
        """Workers for so many waiting trials, also where earlier ones have gone."""

    def alive(self) -> bool:
        """Whether any worker runs or waits for its machine."""

    def waits(self) -> str:
        """Which of its workers are there, in its scheduler's words; empty where there is none."""

    def end(self) -> None:
        """No worker of this executor stays."""


def make_executor(study: Study, stop: Stop) -> Executor:
    """What a cluster needs is imported only for it."""
    if study.settings.executor == "slurm":
        from lungseg.sweep.executors.slurm import Slurm

        return Slurm(study)
    if study.settings.executor == "ray":
        from lungseg.sweep.executors.ray import Ray

        return Ray(study)
    from lungseg.sweep.executors.local import Local

    return Local(study, stop)
