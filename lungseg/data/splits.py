"""Who is trained on, who chooses the weights, who is tested: no patient on two sides, ever."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.data.case import SPLITS, Case, place

Splits = dict[str, list[Case]]


def split_cases(
    cases: Sequence[Case], *, val: float, test: float, seed: int, folds: int | None = None, fold: int | None = None
) -> Splits:
    """The publisher's splits where every case has one, else shares of the patients of each class.

    Where the publisher gave no ``val`` (or no ``test``), its share is taken from the patients of ``train``. With
    ``folds``, part ``fold`` of the patients is the test, or, beside a publisher's test, the validation.
    """
    for name, share in (("val", val), ("test", test)):
        if not isinstance(share, int | float) or not 0 < share < 1:
            raise DataError(f"data.{name}={share}: expected a share of the patients between 0 and 1, for example 0.15")
    if val + test >= 1:
        raise DataError(f"data.val={val} and data.test={test} leave nothing to train on; their sum must be below 1")
    _require_unique_ids(cases)
    unsplit = [case for case in cases if case.split is None]
    if unsplit and len(unsplit) < len(cases):
        others = plural(len(cases) - len(unsplit), "other case does", "other cases do")
        raise DataError(f"{unsplit[0].id}: has no split while {others}; give every case a split or none")
    splits: Splits = {name: [case for case in cases if case.split == name] for name in SPLITS}
    if unsplit:
        splits["train"] = list(cases)
    whole = not splits["test"]
    if folds is not None or fold is not None:
        pool = [case for case in cases if case.split != "test"]
        out = _fold(pool, folds, fold, seed)
        splits |= {"train": [c for c in pool if c.patient not in out], "val": []}
        splits["test" if whole else "val"] = [c for c in pool if c.patient in out]
    for name, share in (("test", test), ("val", val)):
        if not splits[name]:
            of_the_rest = share if name == "test" or not whole or not unsplit else share / (1 - test)
            splits["train"], splits[name] = _divide(splits["train"], of_the_rest, seed, name)
    require_disjoint(splits)
    return splits


def _fold(cases: list[Case], folds: int | None, fold: int | None, seed: int) -> set[str]:
    """The patients of one of ``folds`` parts, which are alike in their classes and together hold everyone once."""
    strata = _strata(cases)
    if not isinstance(folds, int) or not 2 <= folds <= sum(map(len, strata.values())):
        raise DataError(f"data.folds={folds}: expected a number of parts, from 2 to the number of patients")
    if not isinstance(fold, int) or not 0 <= fold < folds:
        raise DataError(f"data.fold={fold}: expected one of 0 to {folds - 1}, the part to be left out of training")
    generator = np.random.default_rng([seed, 31])
    order = [patient for label in sorted(strata) for patient in generator.permutation(strata[label]).tolist()]
    return set(order[fold::folds])


def _strata(cases: Sequence[Case]) -> dict[str, list[str]]:
    """Class -> its patients in order; a patient of several classes is of the most frequent one."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        labels[case.patient][case.label] += 1
    strata: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(labels):
        strata[min(labels[patient], key=lambda label: (-labels[patient][label], label))].append(patient)
    return strata


def _divide(cases: list[Case], share: float, seed: int, name: str) -> tuple[list[Case], list[Case]]:
    """Rest and taken: about ``share`` of each class's patients, at least one where there are two."""
    strata = _strata(cases)
    taken: set[str] = set()
    generator = np.random.default_rng([seed, 17])
    for label in sorted(strata):
        patients = strata[label]
        number = min(max(round(len(patients) * share), 1), len(patients) - 1)
        taken.update(generator.permutation(patients)[:number].tolist())
    if not taken:
        everyone = sum(map(len, strata.values()))
        raise DataError(
            f"{plural(len(cases), 'case')} of {plural(everyone, 'patient')} in "
            f"{plural(len(strata), 'class', 'classes')}: too few to set a {name} split apart, "
            "which takes two patients of a class; is the column of patients right, or data.limit too small?"
        )
    return [c for c in cases if c.patient not in taken], [c for c in cases if c.patient in taken]


def limit(cases: Sequence[Case], number: int | None) -> list[Case]:
    """About ``number`` cases: whole patients, splits and classes in proportion, always the same ones; None: all."""
    if number is None or number >= len(cases):
        return list(cases)
    if not isinstance(number, int) or number < 1:
        raise DataError(f"data.limit={number}: expected a number of cases, at least 1")
    sides = {split: [case for case in cases if case.split == split] for split in (*SPLITS, None)}
    share = number / len(cases)
    kept = {case.id for side in sides.values() if side for case in _divide(side, share, 0, "limit")[1]}
    return [case for case in cases if case.id in kept]


def _require_unique_ids(cases: Sequence[Case]) -> None:
    twice = [id for id, number in Counter(case.id for case in cases).items() if number > 1]
    if twice:
        raise DataError(
            f"case id {twice[0]!r} is there more than once ({plural(len(twice), 'such id')}); rename the files"
        )


def require_disjoint(splits: Splits) -> None:
    owner: dict[str, tuple[str, str]] = {}
    for name in SPLITS:
        for case in splits[name]:
            seen, first = owner.setdefault(case.patient, (name, case.id))
            if seen != name:
                raise DataError(
                    f"patient {case.patient!r} is in {seen} (case {first}) and in {name} (case {case.id}); "
                    "a patient on both sides of a split inflates every score: move all of a patient's cases to one side"
                )


def require_regions(splits: Splits, regions: Sequence[str]) -> None:
    """Every case must have every mask that the task needs."""
    for cases in splits.values():
        for case in cases:
            missing = [region for region in regions if region not in case.masks]
            if missing:
                everyone = [c for side in splits.values() for c in side]
                bare = sum(missing[0] not in c.masks for c in everyone)
                raise DataError(
                    f"{case.id} ({place(case)}) has no {missing[0]} mask, which this task needs; {bare} of "
                    f"{plural(len(everyone), 'case')} lack it: choose another task=..., add the masks or "
                    "leave those images out"
                )
