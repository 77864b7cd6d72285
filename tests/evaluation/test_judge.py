import csv
import json

import numpy as np
import pytest
from PIL import Image

from lungseg.data.case import Case
from lungseg.evaluation.judge import judge


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
        yield case, case.image.read(), reference, probabilities


def everywhere(case, shape):
    return np.ones((1, *shape), bool)


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


def test_numbers_tables_and_pictures_say_the_same(cases, tmp_path):
    about = {"data": "squares", "split": "test", "tta": "none"}
    found = judge(predict, cases, ["infection"], everywhere, tmp_path, threshold=0.5, about=about)
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
        "best.png", "cases.csv", "median.png", "summary.json", "worst.png",
    ]  # fmt: skip
    with Image.open(found.picture) as picture:
        assert picture.format == "PNG"
    assert {overlay.case_id for overlay in found.overlays} <= {case.id for case in cases}
    assert "0-1" in {overlay.case_id for overlay in found.overlays}  # the false alarm is among the worst


def test_a_higher_threshold_finds_less(cases, tmp_path):
    about = {"data": "squares", "split": "test", "tta": "none"}
    rates = [
        judge(predict, cases, ["infection"], everywhere, tmp_path, threshold=t, about=about).summary["results"]["model"]
        for t in (0.5, 0.7, 0.95)
    ]
    assert [rate["infection"]["false_alarm_rate"] for rate in rates] == [0.5, 0.0, 0.0]
    assert rates[2]["infection"]["dice"] == 0
