"""Workers as Ray tasks, on the machines of a cluster or on this one."""

import logging
from pathlib import Path
from typing import Any

from lungseg.errors import UserError
from lungseg.sweep.joining import work
from lungseg.sweep.study import Study


def _work(folder: str) -> None:
    work(Path(folder), "ray", 1)


class Ray:
    """``address: auto`` joins the cluster that runs; without it one is started on this machine."""

    def __init__(self, study: Study) -> None:
        try:
            import ray
        except ImportError:
            raise UserError("executor=ray: needs ray; install it: uv pip install 'lungseg[ray]'") from None
        self.study, self._ray = study, ray
        address = study.settings.ray.get("address")
        if not ray.is_initialized():
            try:
                ray.init(address=address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
            except ConnectionError as error:
                said = str(error).splitlines()[0]
                raise UserError(f"ray.address={address}: {said}; start a cluster: ray start --head") from None
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self._gpus = there.get("GPU", 0)
        self._tasks: list[Any] = []
        self._groups: list[Any] = []
        self._task = ray.remote(max_retries=0)(_work)

    def start(self, waiting: int) -> None:
        want = min(self.study.settings.workers, waiting) - len(self._running())
        for _ in range(want):
            self._tasks.append(self._task.options(**self._options()).remote(str(self.study.folder.resolve())))

    def _options(self) -> dict[str, Any]:
        """A trial of several GPUs has them, and its cores, on one machine: a placement group of one bundle."""
        resources = self.study.settings.resources
        cpus = float(resources.cpus or 1)
        gpus = resources.gpus if self._gpus else 0
        if gpus <= 1:
            return {"num_cpus": cpus, "num_gpus": gpus, "scheduling_strategy": "SPREAD"}
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group = placement_group([{"CPU": cpus, "GPU": gpus}], strategy="STRICT_PACK")
        self._groups.append(group)
        return {
            "num_cpus": cpus,
            "num_gpus": gpus,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(group),
        }

    def _running(self) -> list[Any]:
        _, running = self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0) if self._tasks else ([], [])
        return list(running)

    def alive(self) -> bool:
        return bool(self._running())

    def latest(self) -> dict[str, str]:
        return {}

    def end(self) -> None:
        for task in self._running():
            self._ray.cancel(task, force=True)
        for group in self._groups:
            self._ray.util.remove_placement_group(group)
        self._ray.shutdown()
