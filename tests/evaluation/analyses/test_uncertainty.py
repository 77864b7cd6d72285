import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from lungseg.data.case import Case
from lungseg.data.visualize.overlay import CAPTION, PANEL, Overlay
from lungseg.evaluation.analyses.uncertainty import Uncertainty, draw_uncertainty, entropy


def case(n):
    return Case(id=f"c{n}", image=None, patient=f"p{n}", label="x")


def seen(number=8, seed=0):
    """Truth, and probabilities that tell it the less clearly the later the case."""
    generator = np.random.default_rng(seed)
    for n in range(number):
        reference = generator.random((30, 40)) < 0.3
        noise = generator.uniform(-0.25, 0.25, (30, 40))
        yield case(n), (0.5 + (reference - 0.5) * (0.48 - 0.04 * n) + noise).astype(np.float32), reference


def collected(cases):
    found = Uncertainty("lung")
    for one in cases:
        found.add(*one, 0.5)
    return found


def test_the_entropy_is_in_bits():
    likely = np.array([0.5, 0.01, 0.9, 0.0, 1.0])
    expected = [stats.entropy([p, 1 - p], base=2) for p in likely]
    assert entropy(likely) == pytest.approx(expected, abs=1e-9)


def test_whether_wrong_pixels_are_the_unsure_ones_is_what_scikit_learn_says():
    cases = list(seen())
    wrong = np.concatenate([((likely > 0.5) != reference).ravel() for _, likely, reference in cases])
    unsure = np.concatenate([entropy(likely).ravel() for _, likely, _ in cases])
    assert collected(cases).summary()["auroc"] == pytest.approx(roc_auc_score(wrong, unsure), abs=2e-3)


def test_a_case_is_unsure_for_its_area_and_leaving_out_the_least_sure_helps():
    cases = list(seen(10))
    dice = np.array([f1_score(reference.ravel(), likely.ravel() > 0.5) for _, likely, reference in cases])
    unsure = np.array([entropy(likely).sum() / likely.sum() for _, likely, _ in cases])
    summary = collected(cases).summary()
    assert summary["spearman"] == pytest.approx(stats.spearmanr(unsure, dice).statistic)
    order = np.argsort(unsure)
    kept = summary["dice_without_the_least_sure"]
    assert kept["0%"] == pytest.approx(dice.mean())
    assert kept["20%"] == pytest.approx(dice[order[:8]].mean())
    assert kept["20%"] > kept["0%"]
    least = collected(cases).least_sure(3)
    assert [one.id for one in least] == [f"c{n}" for n in order[::-1][:3]]


def test_a_small_and_a_large_region_of_equal_sharpness_are_as_unsure():
    yy, xx = np.mgrid[:200, :200]
    found = Uncertainty("lung")
    for n, radius in enumerate((10, 40)):
        away = np.hypot(yy - 100, xx - 100) / radius
        likely = (1 / (1 + np.exp(20 * (away - 1)))).astype(np.float32)
        found.add(case(n), likely, away < 1, 0.5)
    assert found.cases[0].uncertainty == pytest.approx(found.cases[1].uncertainty, rel=0.05)


def test_what_cannot_be_told_is_no_number():
    nothing, sure = np.zeros((5, 5), bool), np.full((5, 5), 0.01, np.float32)
    summary = collected([(case(n), sure, nothing) for n in range(4)]).summary()
    assert math.isnan(summary["auroc"])
    assert math.isnan(summary["spearman"])
    assert summary["cases"] == 0


@pytest.mark.parametrize("shape", [(64, 64), (90, 40), (400, 800)])
def test_the_map_is_bright_where_it_is_unsure_and_lies_as_the_image_beside_it(shape):
    likely = np.full(shape, 0.001, np.float32)
    likely[: shape[0] // 2] = 0.5
    image = np.full(shape, 200, np.uint8)
    empty = np.zeros((1, *shape), bool)
    overlay = Overlay("a", "x", image, empty, empty, {"lung": float("nan")})
    picture = draw_uncertainty([(overlay, likely), (overlay, likely)], "lung")
    assert picture.shape == (CAPTION * 4 + PANEL * 2, 3 * (PANEL + 4) + PANEL, 3)
    for n in (0, 1):
        top = 2 * CAPTION + n * (PANEL + CAPTION)
        shown = picture[top : top + PANEL, :PANEL].astype(int).sum(-1) > 300
        panel = picture[top : top + PANEL, -PANEL:].astype(int).sum(-1)
        rows = np.flatnonzero(shown.any(axis=1))
        middle = (rows[0] + rows[-1]) // 2
        assert (panel[: middle - 8][shown[: middle - 8]] > 500).all()
        assert (panel[middle + 8 :][shown[middle + 8 :]] < 100).all()
        assert (panel[~shown] < 100).all()
