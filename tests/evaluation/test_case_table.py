import csv

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from lungseg.core.text_tables import write_table
from lungseg.data.case import Case
from lungseg.evaluation.case_table import row as row_of
from lungseg.evaluation.case_table import worst_median_best
from lungseg.tasks.segmentation.case_table import Judged, count
from tests.helpers import segmentation


class _Nothing:
    def read(self):
        raise AssertionError("the image is not needed")


def judged(id, prediction, reference):
    case = Case(id=id, image=_Nothing(), patient=f"p{id}", label="COVID-19")
    return Judged(case, count(np.atleast_3d(prediction).T > 0, np.atleast_3d(reference).T > 0))


@pytest.mark.parametrize("seed", range(20))
def test_a_row_says_what_scikit_learn_says(seed):
    generator = np.random.default_rng(seed)
    prediction, reference = generator.random((2, 17, 23)) < generator.uniform(0.05, 0.95, (2, 1, 1))
    row = row_of(segmentation("lung"), judged("a", prediction, reference))
    p, r = prediction.ravel(), reference.ravel()
    assert row["lung_dice"] == pytest.approx(f1_score(r, p), abs=1e-6)
    assert row["lung_iou"] == pytest.approx(jaccard_score(r, p), abs=1e-6)
    assert row["lung_precision"] == pytest.approx(precision_score(r, p), abs=1e-6)
    assert row["lung_recall"] == pytest.approx(recall_score(r, p), abs=1e-6)
    assert row["lung_specificity"] == pytest.approx(recall_score(r, p, pos_label=0), abs=1e-6)
    assert (row["lung_reference_area"], row["lung_predicted_area"]) == (r.sum(), p.sum())
    assert row["image_area"] == 17 * 23


def test_what_is_undefined_is_an_empty_field_and_never_a_score(tmp_path):
    nothing, something = np.zeros((4, 4)), np.eye(4)
    task = segmentation("infection")
    rows = [
        row_of(task, judged("a", nothing, nothing)),
        row_of(task, judged("b", something, nothing)),
        row_of(task, judged("c", nothing, something)),
    ]
    write_table(rows, tmp_path / "cases.csv")
    read = list(csv.DictReader((tmp_path / "cases.csv").open()))
    assert [row["infection_dice"] for row in read] == ["", "", "0.0"]
    assert [row["infection_recall"] for row in read] == ["", "", "0.0"]
    assert [row["infection_predicted_area"] for row in read] == ["0", "4", "0"]


def test_the_worst_are_those_that_a_reader_should_see():
    truth = np.zeros((10, 10))
    truth[:5] = 1
    cases = [judged(f"good{n}", np.roll(truth, n, axis=0), truth) for n in range(5)]
    alarm = judged("alarm", truth, np.zeros_like(truth))
    quiet = judged("quiet", np.zeros_like(truth), np.zeros_like(truth))
    chosen = worst_median_best(segmentation("lung"), [*cases, alarm, quiet], number=2)
    ids = {name: [one.case.id for one in group] for name, group in chosen.items()}
    assert ids["worst"] == ["alarm", "good4"]
    assert ids["best"] == ["good0", "good1"]
    assert ids["median"] == ["good3", "good2"]


def test_few_cases_are_shown_once_each_where_that_can_be():
    truth = np.ones((4, 4))
    ids = worst_median_best(segmentation("lung"), [judged("only", truth, truth)])
    assert [one.case.id for group in ids.values() for one in group] == ["only"] * 3
    empty = worst_median_best(segmentation("lung"), [judged("empty", 0 * truth, 0 * truth)])
    assert all(len(group) <= 1 for group in empty.values())
