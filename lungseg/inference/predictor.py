"""A finished run as something that predicts cases; several of them as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from omegaconf import DictConfig

from lungseg.core.arrays import Gray
from lungseg.core.device import device
from lungseg.core.prediction import mean
from lungseg.core.run_directory import Run
from lungseg.data.case import Case
from lungseg.data.loaded_case import Predicted
from lungseg.data.preprocessing import Preprocessing
from lungseg.inference.lung_cropper import cropper_of, lung_boxes
from lungseg.inference.whole_image import predict
from lungseg.tasks.base import Task
from lungseg.tasks.build import build_preprocessing, build_task
from lungseg.tasks.module import TaskModule

Change = Callable[[Case, Gray], Gray]


@dataclass(frozen=True)
class Predictor:
    """Called with cases, it yields each as it was loaded with what is predicted of it; see ``whole_image.predict``.

    ``change`` is done to an image before the net sees it.
    """

    task: Task
    module: TaskModule
    regions: Sequence[str]
    how: Preprocessing
    device: torch.device
    batch_size: int
    tta: str = "none"
    change: Change | None = None

    def __call__(self, cases: Sequence[Case]) -> Predicted:
        return predict(
            self.task,
            self.module,
            cases,
            self.regions,
            self.how,
            device=self.device,
            batch_size=self.batch_size,
            tta=self.tta,
            change=self.change,
        )

    def but(self, *, tta: str | None = None, change: Change | None = None) -> "Predictor":
        """The same net, asked otherwise."""
        return replace(self, tta=tta or self.tta, change=change or self.change)


@dataclass(frozen=True)
class Ensemble:
    """The mean of several predictors' probabilities; each has its own preprocessing."""

    members: Sequence[Predictor]

    def __call__(self, cases: Sequence[Case]) -> Predicted:
        for predicted in zip(*(member(cases) for member in self.members), strict=True):
            yield predicted[0][0], mean([prediction for _, prediction in predicted])

    def but(self, *, tta: str | None = None, change: Change | None = None) -> "Ensemble":
        return Ensemble([member.but(tta=tta, change=change) for member in self.members])


def predictor_of(run: Run, cfg: DictConfig, module: TaskModule, cases: Sequence[Case], tta: str = "none") -> Predictor:
    """For these ``cases``: where a run cuts to the lungs, these are looked for in them first."""
    cropper = cropper_of(run, cfg.data.get("crop"))
    how = build_preprocessing(cfg.data, lung_boxes(cropper, cases, cfg.trainer) if cropper else None)
    task = build_task(cfg)
    return Predictor(task, module, list(task.regions.names), how, device(cfg.trainer), cfg.data.batch_size, tta)
