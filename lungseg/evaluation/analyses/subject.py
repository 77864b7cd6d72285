"""Holds who is asked a further question, on which cases, and the answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lungseg.data.case import Case
from lungseg.data.loaded_case import Predicted
from lungseg.evaluation.analyses.paired_change import (
    Outcome,
    PairedChange,
    gains,
    outcome,
)
from lungseg.inference.predictor import Ensemble
from lungseg.inference.whole_image import Predictor
from lungseg.metrics.stats.patient_weights import Weight
from lungseg.tasks.regions import Regions


@dataclass(frozen=True)
class Subject:
    """Holds who is asked, on which cases; ``plain`` was judged of them without asking. ``gate`` predicts lungs."""

    predict: Predictor | Ensemble
    cases: Sequence[Case]
    regions: Regions
    threshold: float
    tta: str
    plain: Outcome
    gate: Predictor | None
    directory: Path
    weight: Weight = "images"

    def outcome(self, predict: Callable[[Sequence[Case]], Predicted]) -> Outcome:
        return outcome(predict, self.cases, self.threshold)

    def gains(self, changed: Outcome, plain: Outcome | None = None) -> list[PairedChange]:
        return gains(
            plain or self.plain, changed, self.regions.names, [case.patient for case in self.cases], self.weight
        )


@dataclass(frozen=True)
class Answer:
    """Holds one question's answer, as text and as numbers."""

    question: str
    lines: list[str]
    numbers: dict[str, Any]
