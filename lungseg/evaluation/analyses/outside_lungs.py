"""Asks whether a net looks at the lungs, or at the frame around them."""

from dataclasses import asdict
from functools import partial
from typing import Any

from lungseg.evaluation.analyses.masking import chest_alone, organ_alone, organ_gone
from lungseg.evaluation.analyses.paired_change import (
    PairedChange,
    could_be_sure,
    is_sure,
    said,
)
from lungseg.evaluation.analyses.subject import Answer, Subject


def frame(subject: Subject) -> Answer:
    """A net that looks at the lungs loses nothing when the rest is blank, and finds nothing when they are."""
    organ = subject.regions.organ
    blank_outside = organ_alone if subject.regions.index(organ) is None else chest_alone
    alone = subject.gains(subject.outcome(subject.predict.but(change=partial(blank_outside, organ=organ))))
    lines = [" ".join(filter(None, [f"outside of the lungs blank: {said(one)}", _frame_verdict(one)])) for one in alone]
    gone, plain = subject.outcome(subject.predict.but(change=partial(organ_gone, organ=organ))), subject.plain
    numbers: dict[str, Any] = {"outside_blank": [asdict(one) for one in alone], "lungs_blank": {}}
    for k, region in enumerate(subject.regions.names):
        before, after = ((one.area[:, k] > 0).mean() for one in (plain, gone))
        area = float(gone.area[:, k].sum() / max(plain.area[:, k].sum(), 1))
        numbers["lungs_blank"][region] = {"cases_before": float(before), "cases": float(after), "area": area}
        some = f", {area:.0%} as many pixels" if before else ""
        lines.append(f"lungs blank: {region} predicted in {after:.0%} of the cases (before {before:.0%}){some}")
    return Answer("Does it look at the lungs, or at the frame?", lines, numbers)


def _frame_verdict(gain: PairedChange) -> str:
    """Empty where it cannot be told."""
    if is_sure(gain.dice, gain.dice_p):
        return "It uses what is outside, or is upset by its absence." if gain.dice.difference < 0 else "That misled it."
    return "No sign that it needs what is outside." if could_be_sure(gain.dice, gain.tests) else ""
