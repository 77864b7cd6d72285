import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.data.contamination import seen_images
from lungseg.data.saved_splits import load_splits, save_splits
from lungseg.data.splits import limit, require_regions, split_cases


def make(patients=60, seed=0, split=None):
    generator = np.random.default_rng(seed)
    return [
        Case(
            id=f"p{patient}-{n}",
            image=_file(f"p{patient}-{n}.png"),
            patient=f"p{patient}",
            label=("A", "B", "C")[patient % 3],
            split=split,
        )
        for patient in range(patients)
        for n in range(generator.integers(1, 4))
    ]


class _Named:
    def __init__(self, name):
        self.name = name

    def read(self):
        return np.zeros((4, 4), np.uint8)

    def __repr__(self):
        return self.name


def _file(name):
    return _Named(name)


def test_no_patient_is_on_two_sides_and_every_case_is_on_one():
    cases = make()
    splits = split_cases(cases, val=0.15, test=0.2, seed=3)
    patients = [{case.patient for case in part} for part in splits.values()]
    assert sum(len(part) for part in patients) == len(set().union(*patients))
    assert sorted(case.id for part in splits.values() for case in part) == sorted(case.id for case in cases)
    assert len(patients[2]) == pytest.approx(12, abs=1)
    assert len(patients[1]) == pytest.approx(9, abs=1.5)


def test_each_class_is_in_each_split():
    splits = split_cases(make(12), val=0.1, test=0.1, seed=0)
    for part in splits.values():
        assert Counter(case.label for case in part).keys() == {"A", "B", "C"}


def test_the_seed_and_nothing_else_decides():
    first = split_cases(make(), val=0.15, test=0.15, seed=1)
    again = split_cases(make()[::-1], val=0.15, test=0.15, seed=1)
    other = split_cases(make(), val=0.15, test=0.15, seed=2)
    ids = [{c.id for c in s["test"]} for s in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


def test_published_splits_are_kept_and_a_missing_val_comes_from_train():
    cases = [replace(case, split="test" if case.patient in {"p1", "p2"} else "train") for case in make()]
    splits = split_cases(cases, val=0.2, test=0.5, seed=0)
    assert {case.patient for case in splits["test"]} == {"p1", "p2"}
    assert len({case.patient for case in splits["val"]}) == pytest.approx(12, abs=1)


def test_a_patient_on_both_sides_of_a_published_split_is_refused_by_name():
    cases = make()
    cases = [replace(case, split="test" if n == 0 else "train") for n, case in enumerate(cases)]
    cases.append(replace(cases[0], id="twin", split="train"))
    with pytest.raises(UserError, match=r"patient 'p0' is in train .* and in test"):
        split_cases(cases, val=0.2, test=0.2, seed=0)


@pytest.mark.parametrize(
    ("cases", "share", "message"),
    [
        (make(2), 0.2, "too few"),
        (make(), 0.0, r"data\.test=0\.0"),
        ([*make(9), *make(3, split="train")][3:], 0.2, "more than once|has no split"),
        ([make(9)[0], *make(9)], 0.2, "more than once"),
    ],
)
def test_what_cannot_be_split_is_refused(cases, share, message):
    with pytest.raises(UserError, match=message):
        split_cases(cases, val=0.2, test=share, seed=0)


def test_saved_splits_come_back_and_say_what_was_seen(tmp_path):
    cases = make()
    splits = split_cases(cases, val=0.2, test=0.2, seed=0)
    save_splits(splits, tmp_path / "splits.json")
    assert load_splits(cases, tmp_path / "splits.json") == splits
    assert seen_images(tmp_path / "splits.json").images == {c.image.name for c in splits["train"] + splits["val"]}
    assert json.loads((tmp_path / "splits.json").read_text()).keys() == {"train", "val", "test"}
    with pytest.raises(UserError, match="no longer has"):
        load_splits([case for case in cases if case != splits["train"][0]], tmp_path / "splits.json")


def test_a_task_that_the_data_lacks_is_refused_by_name():
    cases = [replace(case, masks={"lung": Path("x")}) for case in make()]
    splits = split_cases(cases, val=0.2, test=0.2, seed=0)
    require_regions(splits, ["lung"])
    with pytest.raises(
        UserError, match=r"p0-0 .* has no infection mask, which this task needs; (\d+) of \1 cases lack it"
    ):
        require_regions(splits, ["lung", "infection"])


def test_a_subset_is_whole_patients_of_every_class_and_split_and_always_the_same():
    cases = [
        Case(id=f"{n}-{k}", image=Path("a.png"), patient=f"p{n}", label="ab"[n % 4 == 0], split=split)
        for n, split in enumerate(["train"] * 60 + ["val"] * 20 + ["test"] * 20)
        for k in range(2)
    ]
    few = limit(cases, 40)
    assert 36 <= len(few) <= 44
    assert few == limit(cases, 40)
    assert {case.id for case in few} == {case.id for case in cases if case.patient in {c.patient for c in few}}
    for split, expected in (("train", 24), ("val", 8), ("test", 8)):
        side = [case for case in few if case.split == split]
        assert abs(len(side) - expected) <= 2
        assert {case.label for case in side} == {"a", "b"}
    assert limit(cases, None) == limit(cases, 1000) == cases
    with pytest.raises(UserError, match=r"data\.limit=0: expected a number of cases"):
        limit(cases, 0)


def test_folds_test_every_patient_once_and_classes_alike():
    cases = make(63)
    tested = []
    for fold in range(5):
        splits = split_cases(cases, val=0.2, test=0.2, seed=3, folds=5, fold=fold)
        sides = [{case.patient for case in side} for side in splits.values()]
        assert all(not one & other for n, one in enumerate(sides) for other in sides[:n])
        assert {case.label for case in splits["test"]} == {case.label for case in splits["val"]} == {"A", "B", "C"}
        labels = Counter(case.label for case in {case.patient: case for case in splits["test"]}.values())
        assert max(labels.values()) - min(labels.values()) <= 1
        tested += sorted(sides[2])
    assert sorted(tested) == sorted({case.patient for case in cases})


def test_folds_beside_a_publishers_test_rotate_the_validation():
    cases = [replace(case, split="test" if n % 4 == 0 else "train") for n, case in enumerate(make(40))]
    cases = [case for case in cases if (int(case.patient[1:]) % 4 == 0) == (case.split == "test")]
    validated = []
    for fold in range(4):
        splits = split_cases(cases, val=0.2, test=0.2, seed=0, folds=4, fold=fold)
        assert [case.id for case in splits["test"]] == [case.id for case in cases if case.split == "test"]
        validated += sorted({case.patient for case in splits["val"]})
    assert sorted(validated) == sorted({case.patient for case in cases if case.split == "train"})


@pytest.mark.parametrize(
    ("folds", "fold", "message"),
    [(1, 0, r"data\.folds=1"), (5, 5, r"data\.fold=5: expected one of 0 to 4"), (5, None, r"data\.fold=None"),
     (None, 0, r"data\.folds=None"), (1000, 0, r"data\.folds=1000")],
)  # fmt: skip
def test_folds_that_cannot_be_are_refused(folds, fold, message):
    with pytest.raises(UserError, match=message):
        split_cases(make(20), val=0.2, test=0.2, seed=0, folds=folds, fold=fold)
