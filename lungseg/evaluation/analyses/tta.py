"""Asks whether test-time flips help."""

from dataclasses import asdict

from lungseg.evaluation.analyses.paired_change import (
    said,
)
from lungseg.evaluation.analyses.subject import Answer, Subject


def flips(subject: Subject) -> Answer:
    """Compares with flips and without; a run that was judged with flips is asked without them."""
    judged_flipped = subject.tta == "flip"
    other = subject.outcome(subject.predict.but(tta="none" if judged_flipped else "flip"))
    found = subject.gains(subject.plain, other) if judged_flipped else subject.gains(other)
    return Answer("Do test-time flips help?", [said(one) for one in found], {"flip": [asdict(one) for one in found]})
