"""Asks whether keeping infection within the predicted lungs helps."""

from collections.abc import Sequence
from dataclasses import asdict

from lungseg.data.case import Case
from lungseg.data.loaded_case import Predicted
from lungseg.evaluation.analyses.paired_change import (
    corrected,
    said,
)
from lungseg.evaluation.analyses.subject import Answer, Subject

LUNG = 0.5  # probability from which another run's lungs are lungs


def gate(subject: Subject) -> Answer:
    """Infection outside of the predicted lungs is taken back."""
    regions = subject.regions
    lesion, organ = next(iter(regions.lesions.items()))
    k, own = regions.names.index(lesion), regions.index(organ)

    def gated(cases: Sequence[Case]) -> Predicted:
        lungs = subject.gate(cases) if subject.gate is not None else None
        for loaded, prediction in subject.predict(cases):
            inside = next(lungs)[1].mask(LUNG)[0] if lungs is not None else prediction.mask(subject.threshold)[own]
            kept = prediction.probabilities.copy()
            kept[k] *= inside
            yield loaded, prediction.but(kept)

    (gain,) = corrected([subject.gains(subject.outcome(gated))[k]])  # the other regions are not asked of
    whose = "the gate's lungs" if subject.gate is not None else "its own lungs"
    question = "Does keeping infection within the predicted lungs help?"
    return Answer(question, [f"within {whose}: {said(gain)}"], {"gated": asdict(gain)})
