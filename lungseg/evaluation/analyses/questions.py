"""What else can be asked of a judged run, on the same cases, paired with its plain predictions."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from lungseg.core.atomic_io import replaced
from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.data.case import Case
from lungseg.evaluation.analyses.masking import chest_alone, lungs_alone, lungs_gone
from lungseg.evaluation.analyses.paired_change import (
    Gain,
    Outcome,
    corrected,
    could_be_sure,
    gains,
    is_sure,
    outcome,
    said,
)
from lungseg.evaluation.analyses.uncertainty import Uncertainty, draw_uncertainty
from lungseg.evaluation.score_cases import Predicted, make_overlays
from lungseg.inference.predictor import Ensemble, Predictor
from lungseg.metrics.stats.patient_weights import Weight

log = logging.getLogger("lungseg")

QUESTIONS = ("tta", "frame", "gate", "uncertainty")
SHOWN = 5  # cases in the picture of uncertainty
LUNG = 0.5  # probability from which another run's lungs are lungs


@dataclass(frozen=True)
class Subject:
    """Who is asked, on which cases; ``plain`` is what was judged of them without asking. ``gate`` predicts lungs."""

    predict: Predictor | Ensemble
    cases: Sequence[Case]
    regions: Sequence[str]
    threshold: float
    tta: str
    plain: Outcome
    gate: Predictor | None
    directory: Path
    weight: Weight = "images"

    def outcome(self, predict: Callable[[Sequence[Case]], Predicted]) -> Outcome:
        return outcome(predict, self.cases, self.threshold)

    def gains(self, changed: Outcome, plain: Outcome | None = None) -> list[Gain]:
        return gains(plain or self.plain, changed, self.regions, [case.patient for case in self.cases], self.weight)


@dataclass(frozen=True)
class Answer:
    """One question's, as text and as numbers."""

    question: str
    lines: list[str]
    numbers: dict[str, Any]


def chosen(asked: Any, regions: Sequence[str], cases: Sequence[Case], gate: bool) -> list[str]:
    """The questions of ``ask=``; one that cannot be answered here is refused where it was named, else left out."""
    if asked is None:
        return []
    names = list(dict.fromkeys([asked] if isinstance(asked, str) or not isinstance(asked, Sequence) else asked))
    unknown = [str(name) for name in names if name not in ("all", *QUESTIONS)]
    if unknown or not names:
        which, known = unknown[0] if unknown else "[]", ["all", *QUESTIONS]
        raise UserError(f"ask={which}: no such question; there are {', '.join(known)}{suggestion(which, known)}")
    cannot = _unanswerable(regions, cases, gate)
    for name in names:
        if name in cannot:
            raise UserError(f"ask={name}: {cannot[name]}")
    if "all" not in names:
        return names
    for name, why in cannot.items():
        log.info("ask=all leaves out %s: %s", name, why)
    return [name for name in QUESTIONS if name not in cannot]


def _unanswerable(regions: Sequence[str], cases: Sequence[Case], gate: bool) -> dict[str, str]:
    """Question -> what it lacks."""
    cannot = {}
    bare = [case for case in cases if "lung" not in case.masks]
    if bare:
        some = f"{len(bare)} of the {plural(len(cases), 'case')} have none (first {bare[0].id})"
        cannot["frame"] = f"needs lung masks, and {some}; judge data that has them: data=..."
    if "infection" not in regions:
        cannot["gate"] = "is about infection, which this run does not predict"
    elif "lung" not in regions and not gate:
        cannot["gate"] = "needs to know the lungs; add gate=<a run of task=lung>"
    return cannot


def answers(names: Sequence[str], subject: Subject) -> Iterator[Answer]:
    """In the order asked; an ensemble is compared with its members first."""
    if isinstance(subject.predict, Ensemble):
        yield _ensemble(subject, subject.predict)
    ask = {"tta": _tta, "frame": _frame, "gate": _gate, "uncertainty": _uncertainty}
    for name in names:
        yield ask[name](subject)


def _ensemble(subject: Subject, ensemble: Ensemble) -> Answer:
    """Warns of members that were trained once each: luck of training is not told from the ensemble's own gain."""
    each = [subject.gains(subject.plain, subject.outcome(member)) for member in ensemble.members]
    found = corrected([gain for member in each for gain in member])
    lines, numbers, count = [], {}, len(subject.regions)
    for place in range(len(each)):
        own = found[place * count : (place + 1) * count]
        lines += [f"over member {place + 1}: {said(gain)}" for gain in own]
        numbers[f"member_{place + 1}"] = [asdict(gain) for gain in own]
    if any(is_sure(gain.dice, gain.dice_p) or is_sure(gain.alarms, gain.alarms_p) for gain in found):
        lines.append("That is for these members: the luck of training is not in it.")
    return Answer("Does the ensemble help over each of its members?", lines, numbers)


def _tta(subject: Subject) -> Answer:
    """Where the run was judged with flips, it is asked without them."""
    judged_flipped = subject.tta == "flip"
    other = subject.outcome(subject.predict.but(tta="none" if judged_flipped else "flip"))
    found = subject.gains(subject.plain, other) if judged_flipped else subject.gains(other)
    return Answer("Do test-time flips help?", [said(one) for one in found], {"flip": [asdict(one) for one in found]})


def _frame(subject: Subject) -> Answer:
    """A net that looks at the lungs loses nothing when the rest is blank, and finds nothing when they are."""
    outside = lungs_alone if "lung" not in subject.regions else chest_alone
    alone = subject.gains(subject.outcome(subject.predict.but(change=outside)))
    lines = [" ".join(filter(None, [f"outside of the lungs blank: {said(one)}", _frame_verdict(one)])) for one in alone]
    gone, plain = subject.outcome(subject.predict.but(change=lungs_gone)), subject.plain
    numbers: dict[str, Any] = {"outside_blank": [asdict(one) for one in alone], "lungs_blank": {}}
    for k, region in enumerate(subject.regions):
        before, after = ((one.area[:, k] > 0).mean() for one in (plain, gone))
        area = float(gone.area[:, k].sum() / max(plain.area[:, k].sum(), 1))
        numbers["lungs_blank"][region] = {"cases_before": float(before), "cases": float(after), "area": area}
        some = f", {area:.0%} as many pixels" if before else ""
        lines.append(f"lungs blank: {region} predicted in {after:.0%} of the cases (before {before:.0%}){some}")
    return Answer("Does it look at the lungs, or at the frame?", lines, numbers)


def _frame_verdict(gain: Gain) -> str:
    """Empty where it cannot be told."""
    if is_sure(gain.dice, gain.dice_p):
        return "It uses what is outside, or is upset by its absence." if gain.dice.difference < 0 else "That misled it."
    return "No sign that it needs what is outside." if could_be_sure(gain.dice, gain.tests) else ""


def _gate(subject: Subject) -> Answer:
    """Infection outside of the predicted lungs is taken back."""
    regions = list(subject.regions)
    k = regions.index("infection")

    def gated(cases: Sequence[Case]) -> Predicted:
        lungs = subject.gate(cases) if subject.gate is not None else None
        for case, image, reference, found in subject.predict(cases):
            inside = next(lungs)[3][0] > LUNG if lungs is not None else found[regions.index("lung")] > subject.threshold
            kept = found.copy()
            kept[k] *= inside
            yield case, image, reference, kept

    (gain,) = corrected([subject.gains(subject.outcome(gated))[k]])  # the other regions are not asked of
    whose = "the gate's lungs" if subject.gate is not None else "its own lungs"
    question = "Does keeping infection within the predicted lungs help?"
    return Answer(question, [f"within {whose}: {said(gain)}"], {"gated": asdict(gain)})


def _uncertainty(subject: Subject) -> Answer:
    collected = [Uncertainty(region) for region in subject.regions]
    for case, _, reference, found in subject.predict(subject.cases):
        for k, one in enumerate(collected):
            one.add(case, found[k], reference[k], subject.threshold)
    lines, numbers = [], {}
    for k, one in enumerate(collected):
        numbers[one.region] = summary = one.summary()
        lines += [f"{one.region}: {said}" for said in _uncertainty_said(summary)]
        lines.append(f"{one.region}: the least sure cases with their maps are in {_draw(subject, one, k)}")
    return Answer("Is it unsure where it is wrong?", lines, numbers)


def _uncertainty_said(summary: dict[str, Any]) -> Iterator[str]:
    """Nothing of what no case defines."""
    kept = summary["dice_without_the_least_sure"]
    if not math.isnan(summary["auroc"]):
        yield f"a wrong pixel is less sure than a right one {summary['auroc']:.0%} of the time (50% by chance)."
    if not math.isnan(summary["spearman"]):
        yield (
            f"over {plural(summary['cases'], 'case')}, uncertainty and Dice have a rank correlation of "
            f"{summary['spearman']:.2f} "
            f"(-1 is best); without the least sure fifth mean Dice is {kept['20%']:.3f} instead of {kept['0%']:.3f}."
        )


def _draw(subject: Subject, one: Uncertainty, k: int) -> Path:
    shown: list[tuple[Any, NDArray[Any]]] = []
    for case, image, reference, found in subject.predict(one.least_sure(SHOWN)):
        single = iter([(case, image, reference[k : k + 1], found[k : k + 1])])
        shown += [(overlay, found[k]) for overlay in make_overlays(single, [one.region], subject.threshold)]
    path = subject.directory / f"uncertainty-{one.region}.png"
    with replaced(path, lasting=False) as partial:
        Image.fromarray(draw_uncertainty(shown, one.region)).save(partial)
    return path
