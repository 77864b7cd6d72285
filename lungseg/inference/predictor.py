"""A finished run as something that predicts cases; several of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lungseg.core.device import device
from lungseg.core.prediction import mean
from lungseg.data.case import Case
from lungseg.data.loaded_case import Predicted
from lungseg.inference.inferers import Slices
from lungseg.inference.load_run import TrainedRun
from lungseg.inference.lung_cropper import cropper_of, lung_boxes
from lungseg.inference.whole_image import Change, Predictor
from lungseg.tasks.build import build_preprocessing


@dataclass(frozen=True)
class Ensemble:
    """The mean of several predictors' probabilities; each has its own preprocessing."""

    members: Sequence[Predictor]

    def __call__(self, cases: Sequence[Case]) -> Predicted:
        for predicted in zip(*(member(cases) for member in self.members), strict=True):
            yield predicted[0][0], mean([prediction for _, prediction in predicted])

    def but(self, *, tta: str | None = None, change: Change | None = None) -> "Ensemble":
        return Ensemble([member.but(tta=tta, change=change) for member in self.members])


def predictor_of(trained: TrainedRun, cases: Sequence[Case], tta: str = "none") -> Predictor:
    """For these ``cases``: where a run cuts to the lungs, these are looked for in them first."""
    cfg, task = trained.cfg, trained.module.task
    accelerator, preprocessing = cfg.trainer.accelerator, cfg.data.preprocessing
    cropper = cropper_of(trained.run, preprocessing.crop)
    how = build_preprocessing(preprocessing, lung_boxes(cropper, cases, accelerator) if cropper else None)
    regions, batch_size = list(task.regions.names), cfg.data.loader.batch_size
    single = Predictor(task, trained.module, regions, how, device(accelerator), batch_size, tta=tta)
    if preprocessing.view is None:
        return single
    return replace(single, batch_size=1, inferer=Slices(preprocessing.neighbours, batch_size))
