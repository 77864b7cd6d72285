"""Workers as Ray tasks, on the machines of a cluster or on this one."""

import logging
import os
import signal
from pathlib import Path
from typing import Any

from lungseg.core.cpu_count import SHARE
from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.sweep.run.join import Help, Typed, typed_by, work
from lungseg.sweep.spec.study import Study

log = logging.getLogger("lungseg")

FAILURES = 3  # of workers' own making, after which the study ends; a machine that goes away is none
LEAVING = 15  # seconds that workers have to see that all is done


def _work(folder: str, cpus: int, typed: Typed) -> None:
    """Ray keeps SIGINT from its workers; a trial that inherited this could not be asked to save itself."""
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ[SHARE] = str(cpus)
    work(Path(folder), Help("ray", 1), typed=typed)


class Ray:
    """``address: auto`` joins the cluster that runs, as RAY_ADDRESS does; else one is started on this machine."""

    def __init__(self, study: Study) -> None:
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # under uv run it would send the folder to all
        import ray

        self.study, self._ray = study, ray
        address = study.settings.ray.get("address") or ("auto" if os.environ.get("RAY_ADDRESS") else "local")
        if not ray.is_initialized():
            try:
                ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
            except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
                said = str(error).splitlines()[0]
                raise UserError(f"ray.address={address}: {said}; start a cluster: ray start --head") from None
        self._tasks: dict[Any, Any] = {}  # -> its placement group
        self._failed = 0
        self._task = ray.remote(max_retries=0)(_work)
        self._gpus, self._cpus = self._needs()

    def _needs(self) -> tuple[float, int]:
        """Of a trial: its GPUs, where the cluster has any, and its cores: those that go with these GPUs, or one."""
        wanted = self.study.settings.resources
        listed: list[dict[str, Any]] = self._ray.nodes()
        nodes: list[dict[str, float]] = [one["Resources"] for one in listed if one["Alive"]]
        having = [one for one in nodes if one.get("GPU")]
        gpus = wanted.gpus if having else 0
        shares = [one.get("CPU", 1) * gpus / one["GPU"] for one in having]
        cpus = wanted.cpus or max(1, int(min(shares, default=1)))
        if not any(one.get("GPU", 0) >= gpus and one.get("CPU", 0) >= cpus for one in nodes):
            log.info("no machine of the cluster has %g GPUs and %d cores: the trials wait until one comes", gpus, cpus)
        return gpus, cpus

    def start(self, waiting: int) -> None:
        self._look()
        for _ in range(min(self.study.settings.workers, waiting) - len(self._tasks)):
            options, group = self._options()
            told = (str(self.study.folder.resolve()), self._cpus, typed_by(self.study))
            task = self._task.options(**options).remote(*told)
            self._tasks[task] = group

    def _options(self) -> tuple[dict[str, Any], Any]:
        """A trial of several GPUs has them, and its cores, on one machine: a placement group of one bundle."""
        needs = {"num_cpus": self._cpus, "num_gpus": self._gpus}
        if self._gpus <= 1:
            return {**needs, "scheduling_strategy": "SPREAD"}, None
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group = placement_group([{"CPU": self._cpus, "GPU": self._gpus}], strategy="STRICT_PACK")
        return {**needs, "scheduling_strategy": PlacementGroupSchedulingStrategy(group)}, group

    def _look(self) -> None:
        """What has ended gives back its place."""
        running = self._running()
        for task in [task for task in self._tasks if task not in running]:
            self._free(self._tasks.pop(task))
            try:
                self._ray.get(task)
            except self._ray.exceptions.RayTaskError as error:
                self._failed += 1
                said = str(error.cause or error).strip().splitlines()[-1]
                log.info("a Ray worker failed: %s", said)
                if self._failed >= FAILURES:
                    raise UserError(
                        f"executor=ray: {plural(self._failed, 'worker')} failed, the last one: {said}"
                    ) from None
            except self._ray.exceptions.RayError as error:
                log.info("a Ray worker has gone (%s); another takes its place", type(error).__name__)

    def _free(self, group: Any) -> None:
        if group is not None:
            self._ray.util.remove_placement_group(group)

    def _running(self, seconds: float = 0) -> list[Any]:
        tasks = list(self._tasks)
        if not tasks:
            return []
        return list(self._ray.wait(tasks, num_returns=len(tasks), timeout=seconds, fetch_local=False)[1])

    def alive(self) -> bool:
        return bool(self._running())

    def waits(self) -> str:
        return ""

    def end(self) -> None:
        for task in self._running(LEAVING):
            self._ray.cancel(task, force=True)
        for group in self._tasks.values():
            self._free(group)
        self._ray.shutdown()
