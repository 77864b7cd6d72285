"""A finished run as something that predicts cases; several of them as one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lungseg.core.file_hashes import CROP
from lungseg.core.prediction import mean
from lungseg.data.case import Case
from lungseg.data.loaded_case import Predicted
from lungseg.inference.load_run import TrainedRun
from lungseg.inference.lung_boxes import lung_boxes
from lungseg.inference.lung_runs import gate_of, kept_lung_run
from lungseg.inference.trained_predictor import trained_predictor
from lungseg.inference.whole_image import Change, Predictor


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
    """Returns the predictor for these ``cases``: where a run cuts or keeps to the lungs, they are looked for first."""
    cfg = trained.cfg
    accelerator, preprocessing = cfg.trainer.accelerator, cfg.data.preprocessing
    cropper = kept_lung_run(trained.run, preprocessing.crop, CROP)
    boxes = lung_boxes(cropper, cases, accelerator) if cropper else None
    gate = gate_of(trained.run, preprocessing.gate, accelerator)
    return replace(trained_predictor(trained, accelerator, boxes), tta=tta, gate=gate)
