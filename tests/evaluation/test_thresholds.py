import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.evaluation import thresholds
from lungseg.evaluation.thresholds import kept
from lungseg.tasks.segmentation.thresholds import choose
from tests.helpers import predicted


def predictions(number=6, seed=0):
    """Two regions of blurred truth, each off by a scale of its own; the first case has no infection."""
    generator = np.random.default_rng(seed)
    for n in range(number):
        reference = generator.random((2, 12, 14)) < 0.4
        reference[1] &= n > 0
        likely = 0.7 * reference + 0.6 * generator.random((2, 12, 14))
        scaled = (likely / 1.3 * np.array([1.0, 0.4])[:, None, None]).astype(np.float32)
        case = Case(id=f"c{n}", image=None, patient=f"p{n}", label="x")
        yield predicted(case, np.zeros((12, 14), np.uint8), reference, scaled)


def mean_dice(k, threshold):
    scores = [
        f1_score(loaded.masks[k].ravel(), found.probabilities[k].ravel() > threshold)
        for loaded, found in predictions()
        if loaded.masks[k].any()
    ]
    return np.mean(scores)


def test_no_other_threshold_has_a_better_mean_dice():
    found = choose(predictions(), ["lung", "infection"])
    for k, region in enumerate(("lung", "infection")):
        best = max(mean_dice(k, t / 100) for t in range(1, 100))
        assert mean_dice(k, found[region]) == pytest.approx(best)
    assert found["infection"] < 0.3 < found["lung"]


def test_it_is_found_once_for_the_same_weights_and_way_of_predicting(tmp_path):
    path, made = tmp_path / "thresholds.json", []

    def make():
        made.append({"lung": 0.1 * (len(made) + 1)})
        return made[-1]

    assert kept(path, "none", "abc", make) == kept(path, "none", "abc", make) == {"lung": 0.1}
    assert kept(path, "flip", "abc", make) == {"lung": 0.2}
    assert kept(path, "none", "abc", make) == {"lung": 0.1}
    assert kept(path, "none", "def", make)["lung"] == pytest.approx(0.3)  # the run went on
    assert kept(path, "flip", "abc", make) == {"lung": 0.2}
    assert len(made) == 3


def test_where_there_is_no_validation_there_is_no_threshold_and_no_file(tmp_path):
    assert kept(tmp_path / "thresholds.json", "none", "abc", lambda: None) is None
    assert not (tmp_path / "thresholds.json").exists()


def test_two_who_choose_at_once_keep_both(tmp_path):
    path = tmp_path / "thresholds.json"

    def meanwhile():
        kept(path, "flip", "abc", lambda: {"lung": 0.6})
        return {"lung": 0.4}

    assert kept(path, "none", "abc", meanwhile) == {"lung": 0.4}
    assert set(json.loads(path.read_text())) == {"none", "flip"}


def test_a_file_of_another_kind_is_made_again_and_a_damaged_one_is_named(tmp_path):
    path = tmp_path / "thresholds.json"
    path.write_text('{"none": {"lung": 0.9}}')
    assert kept(path, "none", "abc", lambda: {"lung": 0.4}) == {"lung": 0.4}
    for content in (
        '{"none": ',
        "[]",
        '{"none": "0.9"}',
        '{"none": {"weights": "abc", "thresholds": {"lung": "0.9"}}}',
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=r"thresholds\.json: .*; remove it, and it is made again"):
            kept(path, "none", "abc", lambda: {"lung": 0.4})


def test_a_run_that_cannot_be_written_to_is_judged_all_the_same(tmp_path, monkeypatch):
    def refuse(path, text):
        raise UserError(f"{path}: cannot be written: Read-only file system; free space or choose another place")

    monkeypatch.setattr(thresholds, "write_json", refuse)
    assert kept(tmp_path / "thresholds.json", "none", "abc", lambda: {"lung": 0.4}) == {"lung": 0.4}
    monkeypatch.undo()
    kept(tmp_path / "thresholds.json", "none", "abc", lambda: {"lung": 0.4})
    assert json.loads((tmp_path / "thresholds.json").read_text())["none"]["thresholds"] == {"lung": 0.4}
