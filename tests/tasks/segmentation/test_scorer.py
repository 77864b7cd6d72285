import math

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import brier_score_loss

from lungseg.data.case import Case
from lungseg.evaluation.case_table import row as row_of
from lungseg.tasks.segmentation.case_table import count
from lungseg.tasks.segmentation.columns import NO_LUNGS, NO_REFERENCE, segmentation_columns
from lungseg.tasks.segmentation.scorer import Scorer, severities, surfaces
from tests.helpers import predicted, regions, segmentation, write_png


class _Picture:
    """A mask in memory."""

    def __init__(self, mask):
        self.mask = mask

    def read(self):
        return self.mask.astype(np.uint8)


def case(id="a", **masks):
    masks = {region: _Picture(mask) for region, mask in masks.items()}
    return Case(id=id, image=_Picture(np.zeros((40, 60), bool)), masks=masks, patient=id, label="COVID-19")


def square(top, left, side, shape=(40, 60)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def score(scorer, subject, probabilities, reference, spacing=None):
    """[K, H, W] twice, at a threshold of one half."""
    loaded, prediction = predicted(subject, None, reference, probabilities.astype(np.float32), spacing)
    return scorer.whole(prediction, loaded, 0.5)


def one(scorer, subject, prediction, reference, spacing=None):
    return score(scorer, subject, prediction[None], reference[None], spacing).further[0]


def edge(mask):
    return mask & ~ndimage.binary_erosion(mask)


def test_distances_are_in_millimetres_by_the_pixels_of_that_very_case():
    prediction, reference = square(5, 8, 12), square(9, 20, 15)
    sizes = {"a": (0.5, 0.25), "b": (2.0, 2.0)}
    scorer = Scorer(regions("lung"), "mm", (1.0, 3.0))
    for id, size in sizes.items():
        values = one(scorer, case(id), prediction, reference, size)
        there = ndimage.distance_transform_edt(~edge(reference), sampling=size)[edge(prediction)]
        back = ndimage.distance_transform_edt(~edge(prediction), sampling=size)[edge(reference)]
        assert values["hd95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
        assert values["assd"] == pytest.approx(np.concatenate([there, back]).mean())
        assert values["nsd_3"] == pytest.approx((np.concatenate([there, back]) <= 3).mean())
        assert set(values) >= {"nsd_1", "nsd_3"}
    assert one(Scorer(regions("lung")), case("b"), prediction, reference, size)["hd95"] == pytest.approx(
        values["hd95"] / 2
    )


def test_a_volume_is_scored_as_an_x_ray_is_in_millimetres_along_three_axes():
    rng = np.random.default_rng(0)
    reference, prediction = np.zeros((12, 20, 24), bool), np.zeros((12, 20, 24), bool)
    reference[3:9, 5:14, 6:18] = True
    prediction[2:9, 6:15, 6:17] = True
    prediction &= rng.random(prediction.shape) < 0.95
    size = (5.0, 0.7, 0.7)
    found = score(Scorer(regions("lung"), "mm", (2.0,)), case(), prediction[None], reference[None], size)
    there = ndimage.distance_transform_edt(~edge(reference), sampling=size)[edge(prediction)]
    back = ndimage.distance_transform_edt(~edge(prediction), sampling=size)[edge(reference)]
    assert found.further[0]["hd95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
    assert found.further[0]["nsd_2"] == pytest.approx((np.concatenate([there, back]) <= 2).mean())
    assert found.counts.sum() == reference.size
    hits = (prediction & reference).sum()
    assert 2 * hits / (prediction.sum() + reference.sum()) == pytest.approx(
        2 * found.counts[0, 0] / (2 * found.counts[0, 0] + found.counts[0, 1] + found.counts[0, 2])
    )


def test_a_case_that_was_missed_counts_with_the_worst_distance_and_none_is_made_up_where_nothing_is():
    reference, nothing = square(9, 20, 15), np.zeros((40, 60), bool)
    missed = surfaces(nothing, reference, (0.5, 0.5), (1.0,))
    assert missed == {"hd95": math.hypot(20, 30), "assd": math.hypot(20, 30), "nsd_1": 0.0}
    assert all(math.isnan(value) for value in surfaces(reference, nothing, (0.5, 0.5), (1.0,)).values())


def test_lesions_are_counted_one_by_one_and_by_their_size():
    reference = square(0, 0, 1) | square(10, 10, 4) | square(20, 40, 10)  # of 2400 pixels: 0.04%, 0.7%, 4%
    prediction = square(10, 10, 4) | square(30, 2, 5)
    values = one(Scorer(regions("infection")), case(), prediction, reference)
    assert (values["lesions"], values["lesions_predicted"], values["lesions_found"]) == (3, 2, 1)
    assert values["lesion_f1"] == pytest.approx(2 * 1 / 5)
    assert [values[f"lesions_{size}"] for size in ("small", "medium", "large")] == [1, 1, 1]
    assert [values[f"lesions_found_{size}"] for size in ("small", "medium", "large")] == [0, 1, 0]
    assert "lesions" not in one(Scorer(regions("lung")), case(), prediction, reference)


def test_severity_is_a_share_of_the_lungs_that_were_predicted_or_else_annotated():
    lung, infection = square(0, 0, 20), square(0, 0, 10)
    half = square(0, 0, 20) & (np.arange(60) < 10)
    masks = np.stack([lung, infection]), np.stack([half, infection])
    both = score(Scorer(regions("lung", "infection")), case(), masks[1], masks[0]).further[1]
    assert both["severity_reference"] == 0.25
    assert both["severity_predicted"] == 0.5
    alone = one(Scorer(regions("infection")), case(lung=lung), infection, infection)
    assert alone["severity_predicted"] == 0.25
    assert math.isnan(one(Scorer(regions("infection")), case(), infection, infection)["severity_reference"])
    nothing = np.zeros_like(lung)
    assert severities(infection, infection, lung, nothing) == {"severity_reference": 0.25, "severity_predicted": 0.0}
    assert math.isnan(severities(infection, infection, nothing, lung)["severity_reference"])


def test_a_damaged_lung_mask_stops_no_run_that_does_not_need_it(tmp_path):
    write_png(tmp_path / "lung.png", np.arange(2400, dtype=np.uint8).reshape(40, 60))  # no mask: many levels
    subject = Case(id="a", image=tmp_path / "a.png", masks={"lung": tmp_path / "lung.png"}, patient="p", label="x")
    infection = square(0, 0, 10)
    values = one(Scorer(regions("infection")), subject, infection, infection)
    assert values["lesion_f1"] == 1
    assert math.isnan(values["severity_predicted"])


def test_counts_and_brier_are_what_scikit_learn_says():
    generator = np.random.default_rng(0)
    likely = generator.random((1, 40, 60), np.float32)
    reference = generator.random((1, 40, 60)) < likely
    found = score(Scorer(regions("lung")), case(), likely, reference)
    assert found.further[0]["brier"] == pytest.approx(brier_score_loss(reference.ravel(), likely.ravel()))
    assert np.array_equal(found.counts, count(likely > 0.5, reference))


def test_every_column_that_is_written_is_declared_and_empty_only_when_it_says_so(tmp_path):
    rng = np.random.default_rng(0)
    scorer = Scorer(regions("lung", "infection"), tolerances=(1.0, 3.0))
    declared = segmentation_columns("px", [1.0, 3.0])
    empty = set()
    for there in ("both", "lung alone", "none"):
        reference = np.zeros((2, 24, 24), np.bool_)
        reference[0, 4:20, 4:20] = there != "none"
        reference[1, 6:12, 6:12] = there == "both"
        picture = tmp_path / f"{there}.png"
        write_png(picture, np.zeros((24, 24), np.uint8))
        written_case = Case(id=there, image=picture, patient="p", label="COVID-19")
        for found in (np.zeros((2, 24, 24), np.float32), rng.random((2, 24, 24), np.float32)):
            row = row_of(segmentation("lung", "infection"), score(scorer, written_case, found, reference))
            for region in ("lung", "infection"):
                written = {one.header(region) for one in declared if not one.derived}
                own = {name for name in row if name.startswith(f"{region}_")}
                assert own <= written
                if region == "infection":
                    assert own == written
                for one in declared:
                    if one.header(region) in row and row[one.header(region)] is None:
                        empty.add(one.name)
                        assert (one.undefined == NO_LUNGS and there == "none") or (
                            one.undefined == NO_REFERENCE and not reference[int(region == "infection")].any()
                        ), (one.name, there)
    assert empty == {one.name for one in declared if one.undefined and not one.derived} - {"specificity"}
    assert len({one.header("infection") for one in declared}) == len(declared)
