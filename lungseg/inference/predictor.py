"""A finished run as something that predicts cases; several of them as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from omegaconf import DictConfig

from lungseg.core.errors import UserError
from lungseg.core.file_hashes import require_as_written
from lungseg.core.plural import plural
from lungseg.core.run_directory import Run
from lungseg.data.case import Case, checksum
from lungseg.data.io.image import Gray
from lungseg.data.preprocessing import Preprocessing
from lungseg.data.splits import seen_images, trained_images
from lungseg.evaluation.case_selection import Selection
from lungseg.inference.load_run import rebuild
from lungseg.inference.lung_cropper import cropper_of, lung_boxes
from lungseg.inference.whole_image import Predicted, predict
from lungseg.tasks.build import build_preprocessing
from lungseg.tasks.segmentation import SegmentationModule
from lungseg.training.trainer import device

Change = Callable[[Case, Gray], Gray]


@dataclass(frozen=True)
class Predictor:
    """Called with cases, it yields each with image, reference and probabilities; see ``whole_image.predict``.

    ``change`` is done to an image before the net sees it.
    """

    module: SegmentationModule
    regions: Sequence[str]
    how: Preprocessing
    device: torch.device
    batch_size: int
    tta: str = "none"
    change: Change | None = None

    def __call__(self, cases: Sequence[Case]) -> Predicted:
        return predict(
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
        for found in zip(*(member(cases) for member in self.members), strict=True):
            case, image, reference, _ = found[0]
            yield case, image, reference, np.mean([one[3] for one in found], axis=0, dtype=np.float32)

    def but(self, *, tta: str | None = None, change: Change | None = None) -> "Ensemble":
        return Ensemble([member.but(tta=tta, change=change) for member in self.members])


def predictor_of(
    run: Run, cfg: DictConfig, module: SegmentationModule, cases: Sequence[Case], tta: str = "none"
) -> Predictor:
    """For these ``cases``: where a run cuts to the lungs, these are looked for in them first."""
    cropper = cropper_of(run, cfg.data.get("crop"))
    how = build_preprocessing(cfg.data, lung_boxes(cropper, cases, cfg.trainer) if cropper else None)
    return Predictor(module, list(cfg.task.regions), how, device(cfg.trainer), cfg.data.batch_size, tta)


def member_of(run: Run, first: DictConfig, selection: Selection, tta: str) -> Predictor:
    """Another run of an ensemble: of the ``first`` one's regions, and honest on the cases of the ``selection``."""
    cfg = run.config()
    require_as_written(run.path)
    if list(cfg.task.regions) != list(first.task.regions):
        raise UserError(
            f"run: {run.path} is of task={cfg.task.name}, the first run of task={first.task.name}; an ensemble is of "
            "runs of one task"
        )
    seen = trained_images(run.splits_file) if selection.is_val else seen_images(run.splits_file)
    learnt = [case.id for case in selection.cases if checksum(case.image) in seen]
    if learnt:
        raise UserError(
            f"run: {run.path} was trained or selected on {len(learnt)} of the "
            f"{plural(len(selection.cases), 'case that is', 'cases that are')} judged (first {learnt[0]}); "
            "an ensemble is of runs with the same test cases: of other seeds, or of folds beside a published test"
        )
    module, _ = rebuild(run, cfg)
    cfg.trainer, cfg.data.batch_size = first.trainer, first.data.batch_size
    return predictor_of(run, cfg, module, [*selection.cases, *selection.val], tta)
