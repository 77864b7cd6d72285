"""Describes what is learned: how outputs become predictions, and how these are scored, summed up and drawn."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.prediction import Prediction
from lungseg.data.case import Case
from lungseg.data.dataset import CaseDataset
from lungseg.data.loaded_case import LoadedCase, Predicted
from lungseg.data.view import View
from lungseg.data.visualize.overlay import Overlay
from lungseg.data.visualize.volume_montage import flattened
from lungseg.metrics.stats.patient_weights import Weight
from lungseg.tasks.column_means import column_means
from lungseg.tasks.columns import Column
from lungseg.tasks.module import ModuleParts, TaskModule
from lungseg.tasks.regions import Regions
from lungseg.tasks.report_lines import interval, rough_intervals

Values = Mapping[str, float]  # by the names of columns; NaN is undefined, whole numbers are written as such
Thresholds = dict[str, float]  # by the names of a task's parts


@dataclass(frozen=True)
class Scoring:
    """Says how cases are scored.

    ``threshold``: one for all parts of the task, or each part's own. ``unit``: of distances, mm where every case says
    how large its pixels are. ``brief``: only what stands beside the model's own scores; nothing that takes long.
    """

    threshold: float | Sequence[float] = 0.5
    unit: str = "px"
    tolerances: Sequence[float] = (1.0, 2.0, 4.0)
    brief: bool = False


class CaseScore(Protocol):
    """Says what one case scored; ``values`` are of each part of the task, in their order."""

    @property
    def case(self) -> Case:
        """Returns whose score it is."""

    @property
    def values(self) -> Sequence[Values]:
        """Returns each part's numbers."""

    @property
    def pixels(self) -> int:
        """Returns the size of the image."""


@dataclass(frozen=True, eq=False)
class Score:
    """Holds what one case scored."""

    case: Case
    values: Sequence[Values]
    pixels: int


class FlawedDefinitions(Protocol):
    """Collects what the same predictions come to by definitions that flatter."""

    def add(self, prediction: Prediction, loaded: LoadedCase) -> None:
        """Takes the next case."""

    def summary(self) -> dict[str, Any]:
        """Returns them by part."""


class Task(ABC):
    """Knows all that depends on what is learned; whoever trains, judges, compares and draws asks it.

    ``regions`` are the masks that it needs of each case. Its ``parts`` are what scores are about: its regions, or
    whatever else it predicts.
    """

    picks_thresholds = False  # whether validation chooses a threshold for each part

    def __init__(self, name: str, regions: Regions) -> None:
        self.name, self.regions = name, regions

    @property
    def parts(self) -> tuple[str, ...]:
        """Names what scores are about."""
        return self.regions.names

    @property
    def headline(self) -> Column:
        """Returns the column that ranks runs; the validation cases' mean of it is logged as ``val/<its name>``."""
        return next(column for column in self.columns(Scoring()) if column.role == "headline")

    @abstractmethod
    def build_module(self, parts: ModuleParts) -> TaskModule:
        """Returns what is trained; its net has as many outputs as the task has parts."""

    @abstractmethod
    def decode(self, output: NDArray[np.float32], loaded: LoadedCase, how: View | None) -> Prediction:
        """Turns the module's output for one case into a prediction at its own size; no ``how``: at the net's size."""

    def targets(self, case: Case) -> Mapping[str, Tensor]:
        """Returns what a sample of this case has beside its image and masks: a class, an age."""
        return {}

    @abstractmethod
    def measured(self) -> Mapping[str, bool]:
        """Names the numbers of the validation cases, without ``val/``, and whether larger is better."""

    def unflip(self, outputs: Tensor) -> Tensor:
        """Turns the outputs of images that were flipped left to right into those of the images themselves."""
        return outputs

    @abstractmethod
    def columns(self, scoring: Scoring) -> list[Column]:
        """Declares the columns of cases.csv, in their order."""

    @abstractmethod
    def score_case(self, prediction: Prediction, loaded: LoadedCase, scoring: Scoring) -> CaseScore:
        """Measures one case."""

    def row(self, score: CaseScore) -> dict[str, Any]:
        """Returns the cells of a case beside its id: those of each part, by the names of their columns."""
        return {
            f"{part}_{name}": cell(value)
            for part, values in zip(self.parts, score.values, strict=True)
            for name, value in values.items()
        }

    def summary(self, scores: Sequence[Any], weight: Weight) -> dict[str, dict[str, Any]]:
        """Returns part -> means over cases with intervals over patients, and what is more than that."""
        columns = self.columns(Scoring())
        patients = [score.case.patient for score in scores]
        return {
            part: column_means(columns, [score.values[k] for score in scores], patients, weight)
            for k, part in enumerate(self.parts)
        }

    def calibration(self, scores: Sequence[Any]) -> dict[str, Any]:
        """Returns part -> how far its probabilities can be believed; empty where a task has none."""
        return {}

    def rank(self, score: Any) -> float:
        """Returns how good a case's prediction is, larger is better; NaN where that is not defined."""
        values = [part.get(self.headline.name, np.nan) for part in score.values]
        mean = float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
        return mean if self.headline.higher else -mean

    def draw_case(self, prediction: Prediction, loaded: LoadedCase, threshold: float) -> Overlay:
        """Returns the case's picture: its image with its scores below."""
        score = self.score_case(prediction, loaded, Scoring(threshold, brief=True))
        name, title = self.headline.name, self.headline.title
        said = [f"{part} {title} {values[name]:.3f}" for part, values in zip(self.parts, score.values, strict=True)]
        none = np.zeros((0, *loaded.image.shape), np.bool_)
        return flattened(Overlay(loaded.case.id, loaded.case.label, loaded.image, none, none, {}, ", ".join(said)))

    def report(self, summary: Mapping[str, Any], part: str) -> list[str]:
        """Returns the lines about one part that a person reads at the end of a run."""
        lines = [part]
        columns = self.columns(Scoring())
        for name, results in summary["results"].items():
            said = [f"{c.title} {interval(results[part], c.in_summary, c.digits)}" for c in columns if c.printed]
            lines.append(f"  {name.replace('_', ' ')}: {', '.join(said)}")
        return lines + [f"  {line}" for line in rough_intervals(summary["results"]["model"][part], columns)]

    def choose_thresholds(self, predicted: Predicted) -> Thresholds:
        """Chooses each part's threshold by the validation cases."""
        raise NotImplementedError

    def keep_baseline(self, train: CaseDataset, val: CaseDataset, path: Path) -> None:
        """Writes what a prediction without a net needs of the training cases; nothing where there is no such one."""
        return None

    def read_baseline(self, path: Path) -> Any:
        """Reads that again."""
        return None

    def baselines(self, kept: Any, prediction: Prediction, loaded: LoadedCase, how: View) -> dict[str, Prediction]:
        """Returns by name what needs no net: a score means something only beside these."""
        return {}

    def flawed_definitions(self, batch_size: int, threshold: float) -> FlawedDefinitions | None:
        """Returns who collects scores that flatter; None where none circulate."""
        return None


def cell(value: float) -> float | int | None:
    """Returns a value as it is written: a whole number as such, what is undefined empty."""
    if isinstance(value, int):
        return value
    return round(float(value), 6) if np.isfinite(value) else None
