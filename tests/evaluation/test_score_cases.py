import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import brier_score_loss, f1_score, jaccard_score, precision_score, recall_score

from lungseg.core.errors import UserError
from lungseg.core.prediction import certain
from lungseg.data.case import Case
from lungseg.evaluation.report_text import render
from lungseg.evaluation.score_cases import How, judge
from lungseg.tasks.base import Scoring
from tests.helpers import predicted, segmentation


class _Square:
    """A square of a side; nothing where it is 0."""

    def __init__(self, side):
        self.side = side

    def read(self):
        picture = np.zeros((40, 50), np.uint8)
        picture[: self.side, : self.side] = 255
        return picture


def predict(cases):
    """What is there, one pixel shifted; on a case without anything, something."""
    for case in cases:
        reference = case.masks["infection"].read()[None] > 0
        probabilities = np.roll(reference, 1, axis=2) * np.float32(0.9)
        if case.label == "Normal" and case.id.endswith("1"):
            probabilities[0, :3, :3] = 0.6
        yield predicted(case, case.image.read(), reference, probabilities)


def everywhere(loaded, prediction):
    """All of the image, and nothing."""
    masks = {"mean_mask": np.ones_like(loaded.masks), "all_background": np.zeros_like(loaded.masks)}
    return {name: certain(mask, prediction) for name, mask in masks.items()}


@pytest.fixture
def cases():
    sides = [10, 12, 14, 16, 0, 0]
    return [
        Case(
            id=f"{side}-{n % 2}", image=_Square(30), masks={"infection": _Square(side)}, patient=f"p{n // 2}",
            label="COVID-19" if side else "Normal",
        )
        for n, side in enumerate(sides)
    ]  # fmt: skip


ABOUT = {"data": "squares", "split": "test", "tta": "none"}


def how(**options):
    return How(segmentation("infection"), Scoring(), everywhere, **options)


def test_numbers_tables_and_pictures_say_the_same(cases, tmp_path):
    found = judge(predict, cases, how(), tmp_path, ABOUT)
    summary = json.loads((tmp_path / "summary.json").read_text())
    model = summary["results"]["model"]["infection"]
    assert model["dice"] == pytest.approx(np.mean([1 - 1 / side for side in (10, 12, 14, 16)]), abs=1e-6)
    assert (model["n_reference"], model["n_empty"], model["false_alarm_rate"]) == (4, 2, 0.5)
    assert model["dice_low"] < model["dice"] < model["dice_high"]
    assert summary["results"]["all_background"]["infection"]["dice"] == 0
    of_all = [2 * side**2 / (side**2 + 2000) for side in (10, 12, 14, 16)]
    assert summary["results"]["mean_mask"]["infection"]["dice"] == pytest.approx(np.mean(of_all), abs=1e-6)
    assert summary["by_class"]["COVID-19"]["infection"]["dice"] == model["dice"]
    assert summary["by_class"]["Normal"]["infection"]["dice"] is None
    assert (summary["cases"], summary["patients"]) == (6, 3)
    rows = list(csv.DictReader((tmp_path / "cases.csv").open()))
    assert [row["id"] for row in rows] == [case.id for case in cases]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.png", "cases.csv", "median.png", "pictures.zip", "summary.json", "worst.png",
    ]  # fmt: skip
    with Image.open(found.picture) as picture:
        assert picture.format == "PNG"
    assert {overlay.case_id for overlay in found.overlays} <= {case.id for case in cases}
    assert "0-1" in {overlay.case_id for overlay in found.overlays}  # the false alarm is among the worst


def test_pooled_scores_are_those_of_all_pixels_laid_side_by_side(cases, tmp_path):
    model = judge(predict, cases, how(), tmp_path, ABOUT).summary["results"]["model"]["infection"]
    seen = list(predict(cases))
    truth = np.concatenate([loaded.masks.ravel() for loaded, _ in seen])
    found = np.concatenate([prediction.mask(0.5).ravel() for _, prediction in seen])
    assert model["pooled_dice"] == pytest.approx(f1_score(truth, found))
    assert model["pooled_iou"] == pytest.approx(jaccard_score(truth, found))
    assert model["pooled_precision"] == pytest.approx(precision_score(truth, found))
    assert model["pooled_recall"] == pytest.approx(recall_score(truth, found))
    assert model["pooled_specificity"] == pytest.approx(recall_score(truth, found, pos_label=0))


def test_a_higher_threshold_finds_less(cases, tmp_path):
    rates = [
        judge(predict, cases, how(threshold=t), tmp_path, ABOUT).summary["results"]["model"] for t in (0.5, 0.7, 0.95)
    ]
    assert [rate["infection"]["false_alarm_rate"] for rate in rates] == [0.5, 0.0, 0.0]
    assert [rate["infection"]["n_missed"] for rate in rates] == [0, 0, 4]
    assert rates[2]["infection"]["dice"] == 0


def test_thresholds_of_validation_have_a_table_of_their_own(cases, tmp_path):
    summary = judge(predict, cases, how(tuned={"infection": 0.7}), tmp_path, ABOUT).summary
    assert summary["thresholds_from_validation"] == {"infection": 0.7}
    assert summary["results"]["model"]["infection"]["false_alarm_rate"] == 0.5
    assert summary["results"]["tuned"]["infection"]["false_alarm_rate"] == 0
    tables = [list(csv.DictReader((tmp_path / name).open())) for name in ("cases.csv", "cases-tuned.csv")]
    assert [table[-1]["infection_predicted_area"] for table in tables] == ["9", "0"]
    judge(predict, cases, how(), tmp_path, ABOUT)
    assert not (tmp_path / "cases-tuned.csv").exists()  # of no judgement that is still here


def test_answers_of_an_earlier_judgement_stay_only_while_its_table_does(cases, tmp_path):
    judge(predict, cases, how(), tmp_path, ABOUT)
    for name in ("answers.json", "uncertainty-infection.png"):
        (tmp_path / name).write_text("{}")
    judge(predict, cases, how(), tmp_path, ABOUT)
    assert (tmp_path / "answers.json").exists()
    judge(predict, cases, how(threshold=0.7), tmp_path, ABOUT)
    assert not (tmp_path / "answers.json").exists()
    assert not (tmp_path / "uncertainty-infection.png").exists()


def test_a_case_that_cannot_be_read_leaves_nothing_half_written(cases, tmp_path):
    def broken(cases):
        yield from list(predict(cases))[:3]
        raise UserError("a.png: cannot be decoded")

    with pytest.raises(UserError, match="cannot be decoded"):
        judge(broken, cases, how(), tmp_path / "new", ABOUT)
    assert not (tmp_path / "new").exists()
    judge(predict, cases, how(), tmp_path / "old", ABOUT)
    before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    with pytest.raises(UserError, match="cannot be decoded"):
        judge(broken, cases, how(), tmp_path / "old", ABOUT)
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before


def test_calibration_knows_its_worst_bin(cases, tmp_path):
    found = judge(predict, cases, how(), tmp_path, ABOUT).summary["calibration"]["infection"]
    seen = list(predict(cases))
    truth = np.concatenate([loaded.masks.ravel() for loaded, _ in seen])
    likely = np.concatenate([prediction.probabilities.ravel() for _, prediction in seen])
    gaps = {value: abs(value - truth[likely == value].mean()) for value in np.unique(likely)}
    assert found["maximum_error"] == pytest.approx(max(gaps.values()), abs=1e-6)
    expected = sum(gap * (likely == value).mean() for value, gap in gaps.items())
    assert found["expected_error"] == pytest.approx(expected, abs=1e-6)
    assert found["brier"] == pytest.approx(brier_score_loss(truth, likely), abs=1e-6)


def test_means_over_patients_count_each_patient_once(cases, tmp_path):
    images, patients = (
        judge(predict, cases, how(weight=weight), tmp_path / weight, ABOUT).summary for weight in ("images", "patients")
    )
    assert (images["weight"], patients["weight"]) == ("images", "patients")
    skewed = [replace(case, patient="p0" if n < 3 else case.patient) for n, case in enumerate(cases)]
    model = judge(predict, skewed, how(weight="patients"), tmp_path / "skewed", ABOUT).summary["results"]["model"]
    own = [np.mean([1 - 1 / side for side in (10, 12, 14)]), 1 - 1 / 16]
    assert model["infection"]["dice"] == pytest.approx(np.mean(own), abs=1e-6)
    assert model["infection"]["effective_patients"]["dice"] == 2
    over_images = judge(predict, skewed, how(), tmp_path / "other", ABOUT).summary["results"]["model"]["infection"]
    assert over_images["effective_patients"]["dice"] == pytest.approx(16 / 10)
    assert over_images["dice"] == pytest.approx(images["results"]["model"]["infection"]["dice"])


def test_a_false_alarm_in_none_of_20_patients_may_be_one_in_six(cases, tmp_path):
    empty = [replace(cases[4], id=f"{n}-0", patient=f"p{n}") for n in range(20)]
    found = judge(predict, [*cases[:4], *empty], how(), tmp_path, ABOUT).summary
    model = found["results"]["model"]["infection"]
    assert (model["false_alarm_rate"], model["false_alarm_rate_low"]) == (0, 0)
    assert model["false_alarm_rate_high"] == pytest.approx(0.168, abs=5e-4)
    told = render(segmentation("infection"), {"tta": "none", "thresholds_from_validation": None} | found)
    assert "a false alarm in 0% [0%, 17%] of the 20 cases" in told
    assert "2 for Dice, IoU" in told
    assert "[0.000, 0.000]" not in told
    assert "0.000 (all equal)" in told
