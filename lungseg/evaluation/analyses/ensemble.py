"""Asks whether an ensemble helps over each of its members."""

from dataclasses import asdict

from lungseg.evaluation.analyses.paired_change import (
    corrected,
    is_sure,
    said,
)
from lungseg.evaluation.analyses.subject import Answer, Subject
from lungseg.inference.predictor import Ensemble


def ensemble_gain(subject: Subject, ensemble: Ensemble) -> Answer:
    """Warns of members that were trained once each: luck of training is not told from the ensemble's own gain."""
    each = [subject.gains(subject.plain, subject.outcome(member)) for member in ensemble.members]
    found = corrected([gain for member in each for gain in member])
    lines, numbers, count = [], {}, len(subject.regions.names)
    for place in range(len(each)):
        own = found[place * count : (place + 1) * count]
        lines += [f"over member {place + 1}: {said(gain)}" for gain in own]
        numbers[f"member_{place + 1}"] = [asdict(gain) for gain in own]
    if any(is_sure(gain.dice, gain.dice_p) or is_sure(gain.alarms, gain.alarms_p) for gain in found):
        lines.append("That is for these members: the luck of training is not in it.")
    return Answer("Does the ensemble help over each of its members?", lines, numbers)
