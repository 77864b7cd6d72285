"""Segments regions: a mask of each, scored by its overlap, its surface, its lesions and its probabilities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Mask
from lungseg.core.prediction import Prediction, certain
from lungseg.data.dataset import CaseDataset
from lungseg.data.loaded_case import LoadedCase, Predicted
from lungseg.data.view import View
from lungseg.data.visualize.overlay import Overlay
from lungseg.data.visualize.volume_montage import flattened
from lungseg.metrics import overlap
from lungseg.metrics.stats.patient_weights import Weight
from lungseg.tasks.base import Scoring, Task, Thresholds
from lungseg.tasks.columns import Column
from lungseg.tasks.module import ModuleParts
from lungseg.tasks.regions import Regions
from lungseg.tasks.segmentation import mean_mask, report_text, thresholds
from lungseg.tasks.segmentation.case_table import Judged, calibrated, count, region_rank, summarise
from lungseg.tasks.segmentation.columns import segmentation_columns
from lungseg.tasks.segmentation.flawed_definitions import FlawedScores
from lungseg.tasks.segmentation.module import SegmentationModule
from lungseg.tasks.segmentation.running_overlap import CaseOverlap
from lungseg.tasks.segmentation.scorer import Scorer

SMALLER = ("loss", "false_alarm_rate")  # numbers of the validation cases of which less is better


class Segmentation(Task):
    """Predicts ``regions``, from the outer to the inner; ``lesions`` says which of them are counted, and in what."""

    picks_thresholds = True

    def __init__(self, name: str, regions: Sequence[str], lesions: Mapping[str, str]) -> None:
        super().__init__(name, Regions(tuple(regions), dict(lesions)))
        self._unread: set[str] = set()

    def build_module(self, parts: ModuleParts) -> SegmentationModule:
        return SegmentationModule(parts, list(self.regions.names))

    def measured(self) -> Mapping[str, bool]:
        return {name: name.rpartition("/")[2] not in SMALLER for name in CaseOverlap(self.parts).names()}

    def decode(self, output: NDArray[np.float32], loaded: LoadedCase, how: View | None) -> Prediction:
        id = loaded.case.id
        return Prediction(id, output if how is None else how.back(output, id, loaded.image.shape))

    def unflip(self, outputs: Tensor) -> Tensor:
        """Mirrors them back; what was the left lung of a mirrored image is the right one."""
        return outputs.flip(-1)[:, self.regions.mirrored()]

    def columns(self, scoring: Scoring) -> list[Column]:
        return segmentation_columns(scoring.unit, scoring.tolerances)

    def score_case(self, prediction: Prediction, loaded: LoadedCase, scoring: Scoring) -> Judged:
        scorer = Scorer(self.regions, scoring.unit, scoring.tolerances, self._unread)
        if scoring.brief:
            return scorer.overlap(prediction, loaded, scoring.threshold)
        return scorer.whole(prediction, loaded, scoring.threshold)

    def summary(self, scores: Sequence[Judged], weight: Weight) -> dict[str, dict[str, Any]]:
        return summarise(scores, self.parts, weight)

    def calibration(self, scores: Sequence[Judged]) -> dict[str, Any]:
        return calibrated(scores, self.parts)

    def rank(self, score: Judged) -> float:
        return region_rank(score.counts)

    def draw_case(self, prediction: Prediction, loaded: LoadedCase, threshold: float) -> Overlay:
        mask, case = prediction.mask(threshold), loaded.case
        values = overlap.dice(count(mask, loaded.masks))
        dice = {region: float(value) for region, value in zip(self.parts, values, strict=True)}
        return flattened(Overlay(case.id, case.label, loaded.image, loaded.masks, mask, dice))

    def report(self, summary: Mapping[str, Any], part: str) -> list[str]:
        return report_text.region_lines(summary, part)

    def choose_thresholds(self, predicted: Predicted) -> Thresholds:
        return thresholds.choose(predicted, self.parts)

    def keep_baseline(self, train: CaseDataset, val: CaseDataset, path: Path) -> None:
        mean_mask.save_mean_mask(mean_mask.mean_mask(train.masks(), val.masks()), path)

    def read_baseline(self, path: Path) -> Mask:
        return mean_mask.load_mean_mask(path, len(self.parts))

    def baselines(self, kept: Mask, prediction: Prediction, loaded: LoadedCase, how: View) -> dict[str, Prediction]:
        """Predicts the training cases' mean mask, and nothing at all."""
        mean = how.back(kept.astype(np.float32), loaded.case.id, loaded.image.shape) >= 0.5
        masks = {"mean_mask": mean, "all_background": np.zeros_like(loaded.masks)}
        return {name: certain(mask, prediction) for name, mask in masks.items()}

    def flawed_definitions(self, batch_size: int, threshold: float) -> "FlawedMasks":
        return FlawedMasks(FlawedScores(self.parts, batch_size), threshold)


class FlawedMasks:
    """Hands masks to ``FlawedScores``."""

    def __init__(self, scores: FlawedScores, threshold: float) -> None:
        self.scores, self.threshold = scores, threshold

    def add(self, prediction: Prediction, loaded: LoadedCase) -> None:
        self.scores.add(prediction.mask(self.threshold), loaded.masks, prediction.probabilities)

    def summary(self) -> dict[str, Any]:
        return self.scores.summary()
