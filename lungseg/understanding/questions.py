"""What else can be asked of a judged run, on the same cases, paired with its plain predictions."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungseg.data.case import Case
from lungseg.errors import UserError
from lungseg.evaluation.cases import count
from lungseg.evaluation.judge import Predicted, make_overlays
from lungseg.files import replaced
from lungseg.predictor import Ensemble, Predictor
from lungseg.understanding.frame import chest_alone, lungs_alone, lungs_gone
from lungseg.understanding.uncertainty import Uncertainty, draw_uncertainty
from lungseg.understanding.variant import Gain, Outcome, gains, outcome

QUESTIONS = ("tta", "frame", "gate", "uncertainty")
SHOWN = 5  # cases in the picture of uncertainty


@dataclass(frozen=True)
class Subject:
    """Who is asked, on which cases; ``plain`` is what was judged of them without asking. ``gate`` predicts lungs."""

    predict: Predictor | Ensemble
    cases: Sequence[Case]
    regions: Sequence[str]
    threshold: float
    plain: Outcome
    gate: Predictor | None
    directory: Path

    def gains(self, changed: Callable[[Sequence[Case]], Predicted]) -> list[Gain]:
        found = outcome(changed, self.cases, self.threshold)
        return gains(self.plain, found, self.regions, [case.patient for case in self.cases])


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
    names = list(QUESTIONS) if asked == "all" else [asked] if isinstance(asked, str) else [str(name) for name in asked]
    unknown = [name for name in names if name not in QUESTIONS]
    if unknown:
        raise UserError(f"ask={unknown[0]}: no such question; there are all, {', '.join(QUESTIONS)}")
    cannot = {}
    bare = next((case for case in cases if "lung" not in case.masks), None)
    if bare is not None:
        cannot["frame"] = f"needs lung masks, and {bare.id} has none; use data that has them"
    if "infection" not in regions:
        cannot["gate"] = "is about infection, which this run does not predict"
    elif "lung" not in regions and not gate:
        cannot["gate"] = "needs to know the lungs; add gate=<a run of task=lung>"
    for name in names:
        if name in cannot and asked != "all":
            raise UserError(f"ask={name}: {cannot[name]}")
    return [name for name in names if name not in cannot]


def answers(names: Sequence[str], subject: Subject) -> Iterator[Answer]:
    """In the order asked; an ensemble is compared with its members first."""
    if isinstance(subject.predict, Ensemble):
        yield _ensemble(subject, subject.predict)
    ask = {"tta": _tta, "frame": _frame, "gate": _gate, "uncertainty": _uncertainty}
    for name in names:
        yield ask[name](subject)


def _ensemble(subject: Subject, ensemble: Ensemble) -> Answer:
    lines, numbers = [], {}
    patients = [case.patient for case in subject.cases]
    for place, member in enumerate(ensemble.members):
        alone = outcome(member, subject.cases, subject.threshold)
        found = gains(alone, subject.plain, subject.regions, patients)
        lines += [f"over member {place + 1}: {_said(gain)}" for gain in found]
        numbers[f"member_{place + 1}"] = [asdict(gain) for gain in found]
    return Answer("Does the ensemble help over each of its members?", lines, numbers)


def _tta(subject: Subject) -> Answer:
    found = subject.gains(subject.predict.but(tta="flip"))
    return Answer("Do test-time flips help?", [_said(one) for one in found], {"flip": [asdict(one) for one in found]})


def _frame(subject: Subject) -> Answer:
    """A net that looks at the lungs loses nothing when the rest is blank, and finds nothing when they are."""
    outside = lungs_alone if "lung" not in subject.regions else chest_alone
    alone = subject.gains(subject.predict.but(change=outside))
    lines = [f"outside of the lungs blank: {_said(one)} {_frame_verdict(one)}" for one in alone]
    numbers: dict[str, Any] = {"outside_blank": [asdict(one) for one in alone]}
    counts = np.stack(
        [count(p > subject.threshold, r) for _, _, r, p in subject.predict.but(change=lungs_gone)(subject.cases)]
    )
    share = {region: float((counts[:, k, 0] + counts[:, k, 1] > 0).mean()) for k, region in enumerate(subject.regions)}
    lines += [f"lungs blank: {region} still predicted in {found:.0%} of the cases" for region, found in share.items()]
    return Answer("Does it look at the lungs, or at the frame?", lines, {**numbers, "lungs_blank": share})


def _frame_verdict(gain: Gain) -> str:
    if gain.sure and gain.dice.difference < 0:
        return "It uses what is outside, or is upset by its absence."
    return "No sign that it needs what is outside."


def _gate(subject: Subject) -> Answer:
    """Infection outside of the predicted lungs is taken back."""
    k = list(subject.regions).index("infection")

    def gated(cases: Sequence[Case]) -> Predicted:
        lungs = subject.gate(cases) if subject.gate is not None else None
        for case, image, reference, found in subject.predict(cases):
            lung = next(lungs)[3][0] if lungs is not None else found[list(subject.regions).index("lung")]
            kept = found.copy()
            kept[k] *= lung > subject.threshold
            yield case, image, reference, kept

    gain = subject.gains(gated)[k]
    return Answer("Does keeping infection within the predicted lungs help?", [_said(gain)], {"gated": asdict(gain)})


def _uncertainty(subject: Subject) -> Answer:
    collected = [Uncertainty(region) for region in subject.regions]
    for case, _, reference, found in subject.predict(subject.cases):
        for k, one in enumerate(collected):
            one.add(case, found[k], reference[k], subject.threshold)
    lines, numbers = [], {}
    for k, one in enumerate(collected):
        summary = one.summary()
        kept = summary["dice_without_the_least_sure"]
        lines.append(
            f"{one.region}: a wrong pixel is less sure than a right one {_percent(summary['auroc'])} of the time; over "
            f"cases, uncertainty and Dice correlate by {summary['spearman']:.2f}; without the least sure fifth Dice is "
            f"{kept['20%']:.3f} instead of {kept['0%']:.3f}"
        )
        path = _draw(subject, one, k)
        lines.append(f"{one.region}: the map of the least sure cases: {path}")
        numbers[one.region] = summary
    return Answer("Is it unsure where it is wrong?", lines, numbers)


def _draw(subject: Subject, one: Uncertainty, k: int) -> Path:
    shown: list[tuple[Any, NDArray[np.float32]]] = []
    for case, image, reference, found in subject.predict(one.least_sure(SHOWN)):
        single = iter([(case, image, reference[k : k + 1], found[k : k + 1])])
        shown += [(overlay, found[k]) for overlay in make_overlays(single, [one.region], subject.threshold)]
    path = subject.directory / f"uncertainty-{one.region}.png"
    with replaced(path) as partial:
        Image.fromarray(draw_uncertainty(shown, one.region)).save(partial)
    return path


def _said(gain: Gain) -> str:
    """Dice, and false alarms where there may be any; changed minus plain."""
    parts = []
    if not math.isnan(gain.dice.difference):
        sure = "surely better" if gain.dice.difference > 0 else "surely worse"
        verdict = sure if gain.sure else "no sure difference"
        parts.append(
            f"{gain.region}: Dice {gain.plain:.3f} -> {gain.changed:.3f} "
            f"({gain.dice.difference:+.3f} [{gain.dice.low:+.3f}, {gain.dice.high:+.3f}], p = {gain.dice.p:.3f}): "
            f"{verdict}."
        )
    if not math.isnan(gain.plain_alarms):
        alarms = f"false alarms {gain.plain_alarms:.0%} -> {gain.changed_alarms:.0%} (p = {gain.alarms.p:.3f})."
        parts.append(alarms if parts else f"{gain.region}: {alarms}")
    return " ".join(parts)


def _percent(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{value:.0%}"
