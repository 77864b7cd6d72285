"""Fake predictors whose habits are known, and what the questions find out about them."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from lungseg.core.config.command_line import evaluate_config
from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.evaluation.analyses import ask
from lungseg.evaluation.analyses.ask import answers, chosen
from lungseg.evaluation.analyses.paired_change import outcome_of
from lungseg.evaluation.analyses.subject import Subject
from lungseg.inference.predictor import Ensemble
from lungseg.metrics.stats.multiple_testing import holm
from lungseg.tasks.segmentation.case_table import count
from tests.helpers import predicted, regions

SHAPE = (40, 60)


class _Picture:
    def __init__(self, pixels):
        self.pixels = pixels

    def read(self):
        return self.pixels


def masks(n):
    """Two lungs, and in all but every fourth case infection in one of them."""
    lung, infection = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    lung[8:34, 8:26] = lung[8:34, 34:52] = 1
    if n % 4:
        infection[20:30, 12 + n % 5 : 22 + n % 5] = 1
    return {"lung": _Picture(lung), "infection": _Picture(infection)}


def film(n, found):
    """Dark, infection white; the upper edge of a sick person's film is white too."""
    image = np.random.default_rng(n).integers(0, 60, SHAPE).astype(np.uint8)
    image[found["infection"].pixels > 0] = 220
    if n % 4:
        image[0] = 250
    return image


@pytest.fixture(scope="module")
def cases():
    found = [masks(n) for n in range(16)]
    return [
        Case(id=f"c{n}", image=_Picture(film(n, one)), masks=one, patient=f"p{n}", label="x")
        for n, one in enumerate(found)
    ]


@dataclass(frozen=True)
class Fake:
    """``look`` makes probabilities [K, H, W] of an image and the case."""

    look: object
    regions: tuple = ("infection",)
    tta: str = "none"
    change: object = None

    def __call__(self, cases):
        for case in cases:
            image = case.image.read()
            given = image if self.change is None else self.change(case, image)
            likely = np.asarray(self.look(given, case), np.float32)
            if self.tta == "flip":
                mirrored = np.asarray(self.look(given[:, ::-1], case), np.float32)[..., ::-1]
                likely = (likely + mirrored) / 2
            masks = np.stack([case.masks[region].read() > 0 for region in self.regions])
            yield predicted(case, image, masks, likely)

    def but(self, *, tta=None, change=None):
        return replace(self, tta=tta or self.tta, change=change or self.change)


def sees_white(image, case):
    return np.where(image > 150, 0.9, 0.1)[None] * (np.arange(SHAPE[0])[:, None] > 1)


def believes_the_edge(image, case):
    """Infection wherever it is, if the edge is white; else none."""
    return sees_white(image, case) * (image[0].mean() > 150)


def draws_everything(image, case):
    """Everything at once, infection far outside of the lungs as well."""
    likely = sees_white(image, case)
    likely[:, 36:, :] = 0.8
    return likely


def blind_on_the_left(image, case):
    return sees_white(image, case) * np.where(np.arange(SHAPE[1]) < 30, 0.3, 1.2).clip(0, 1)


def sees_both(image, case):
    lung = np.where(case.masks["lung"].read() > 0, 0.8, 0.2)
    return np.concatenate([lung[None], draws_everything(image, case)])


def asked(name, predict, cases, tmp_path, tta="none", gate=None):
    names = predict.regions if isinstance(predict, Fake) else predict.members[0].regions
    plain = outcome_of(np.stack([count(found.mask(0.5), loaded.masks) for loaded, found in predict(cases)]))
    subject = Subject(predict, cases, regions(*names), 0.5, tta, plain, gate, tmp_path)
    found = list(answers([name] if name else [], subject))
    json.dumps([answer.numbers for answer in found])
    return found


def one(*arguments, **options):
    (answer,) = asked(*arguments, **options)
    return answer


def test_flips_help_a_net_that_is_blind_on_one_side(cases, tmp_path):
    answer = one("tta", Fake(blind_on_the_left), cases, tmp_path)
    assert "surely better" in answer.lines[0]
    assert answer.numbers["flip"][0]["dice"]["difference"] > 0.3
    assert "no sure difference" in one("tta", Fake(sees_white), cases, tmp_path).lines[0]


def test_judged_with_flips_it_is_still_flips_against_none(cases, tmp_path):
    plain = one("tta", Fake(blind_on_the_left), cases, tmp_path)
    flipped = one("tta", Fake(blind_on_the_left, tta="flip"), cases, tmp_path, tta="flip")
    assert flipped.lines == plain.lines
    assert json.dumps(flipped.numbers) == json.dumps(plain.numbers)


def test_a_net_that_goes_by_the_frame_is_found_out(cases, tmp_path):
    honest, cheat = (one("frame", Fake(look), cases, tmp_path) for look in (sees_white, believes_the_edge))
    assert honest.lines[0].endswith("No sign that it needs what is outside.")
    assert cheat.lines[0].endswith("It uses what is outside, or is upset by its absence.")
    assert cheat.numbers["outside_blank"][0]["changed"] == 0
    assert cheat.numbers["outside_blank"][0]["plain"] == honest.numbers["outside_blank"][0]["plain"] == 1


def test_a_net_that_predicts_without_lungs_is_found_out(cases, tmp_path):
    everywhere = Fake(lambda image, case: np.full((1, *SHAPE), 0.9))
    assert (
        "infection predicted in 100% of the cases (before 100%), 100% as many pixels"
        in (one("frame", everywhere, cases, tmp_path).lines[1])
    )
    honest = one("frame", Fake(sees_white), cases, tmp_path)
    assert "infection predicted in 0% of the cases (before 75%), 0% as many pixels" in honest.lines[1]


def test_a_gate_takes_back_what_lies_outside_of_the_lungs_and_nothing_else(cases, tmp_path):
    lungs = Fake(lambda image, case: np.where(case.masks["lung"].read() > 0, 0.9, 0.1)[None], regions=())
    gate = replace(lungs, regions=("lung",))
    answer = one("gate", Fake(draws_everything), cases, tmp_path, gate=gate)
    gated = answer.numbers["gated"]
    assert (gated["changed"], gated["plain_alarms"], gated["changed_alarms"]) == (1, 1, 0)
    assert "within the gate's lungs" in answer.lines[0]
    assert "surely better" in answer.lines[0]
    own = one("gate", Fake(sees_both, regions=("lung", "infection")), cases, tmp_path)
    assert json.dumps(own.numbers["gated"]) == json.dumps(gated)
    assert "within its own lungs" in own.lines[0]
    useless = one("gate", Fake(sees_white), cases, tmp_path, gate=gate)
    assert useless.numbers["gated"]["dice"]["difference"] == 0


def test_an_ensemble_is_compared_with_each_of_its_members(cases, tmp_path):
    left = Fake(blind_on_the_left)
    right = Fake(lambda image, case: blind_on_the_left(image[:, ::-1], case)[..., ::-1])
    answer = one(None, Ensemble([left, right]), cases, tmp_path)
    assert [line.split(": ")[0] for line in answer.lines[:-1]] == ["over member 1", "over member 2"]
    assert answer.lines[-1] == "That is for these members: the luck of training is not in it."
    assert "surely better" in answer.lines[0]
    gain = answer.numbers["member_1"][0]
    alone = np.mean([one["dice"] for one in dices(left, cases)])
    assert gain["plain"] == pytest.approx(alone)
    assert gain["changed"] == 1
    assert gain["tests"] == 4  # Dice and false alarms over two members
    raw = [gain[0][what]["p"] for gain in answer.numbers.values() for what in ("dice", "alarms")]
    told = [gain[0][f"{what}_p"] for gain in answer.numbers.values() for what in ("dice", "alarms")]
    assert told == pytest.approx(holm(np.array(raw)))
    assert "p = 0.002 corrected for 4 tests" in answer.lines[0]


def dices(predict, cases):
    for loaded, prediction in predict(cases):
        truth, found = loaded.masks, prediction.mask(0.5)
        if truth.any():
            yield {"dice": 2 * (truth & found).sum() / (truth.sum() + found.sum())}


def test_uncertainty_comes_with_a_picture_of_the_least_sure_cases(cases, tmp_path, monkeypatch):
    def unsure_at_the_bottom(image, case):
        likely = sees_white(image, case)
        likely[:, 36:, :] = 0.3 + 0.25 * (int(case.id[1:]) % 3)  # wrong where 0.55 or 0.8, and none of it sure
        return likely

    answer = one("uncertainty", Fake(unsure_at_the_bottom), cases, tmp_path)
    found = answer.numbers["infection"]
    assert found["auroc"] > 0.9
    assert found["cases"] == 12
    assert any(f"{found['auroc']:.0%} of the time" in line for line in answer.lines)
    with Image.open(tmp_path / "uncertainty-infection.png") as picture:
        assert picture.size == (3 * 324 + 320, 44 * 7 + 320 * 5)
    assert str(tmp_path / "uncertainty-infection.png") in answer.lines[-1]
    few = one("uncertainty", Fake(sees_white), cases[:2], tmp_path)
    assert "nan" not in " ".join(few.lines)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["colour"], "ask=colour: no such question; there are all, tta, frame, gate, uncertainty"),
        (["fame"], "ask=fame: no such question; .*; did you mean frame"),
        (["tta", "x"], "ask=x: no such question"),
        ([], r"ask=\[\]: no such question"),
        (["gate"], r"ask=gate: needs to know the lungs; add gate=<a run of task=lung>"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_by_name(cases, given, message):
    with pytest.raises(UserError, match=message) as caught:
        chosen(given, regions("infection"), cases, gate=False)
    assert len(str(caught.value).splitlines()) == 1


def test_frame_needs_lung_masks_and_says_where_they_lack(cases):
    bare = [replace(case, masks={"infection": case.masks["infection"]}) for case in cases[:3]]
    with pytest.raises(UserError, match=r"ask=frame: needs lung masks, and 3 of the 16 cases have none \(first c0\)"):
        chosen(["tta", "frame"], regions("infection"), [*bare, *cases[3:]], gate=True)


def test_all_leaves_out_what_cannot_be_answered_and_says_so(cases, monkeypatch):
    told = []
    monkeypatch.setattr(ask.log, "info", lambda text, *words: told.append(text % words))
    assert chosen(["all"], regions("infection"), cases, gate=True) == ["tta", "frame", "gate", "uncertainty"]
    assert told == []
    assert chosen(["all"], regions("lung"), cases, gate=False) == ["tta", "frame", "uncertainty"]
    assert told == ["ask=all leaves out gate: is about infection, which this run does not predict"]


def test_a_question_is_answered_once_in_the_order_asked(cases):
    def asked(typed):
        return chosen(evaluate_config(["run=x", f"ask={typed}"]).ask, regions("lung"), cases, gate=False)

    assert asked("[uncertainty,tta,uncertainty]") == ["uncertainty", "tta"]
    assert asked("tta") == ["tta"]
    assert chosen(None, regions("lung"), cases, gate=False) == []
