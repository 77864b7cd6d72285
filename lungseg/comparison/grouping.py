"""Runs that may be compared: the same task on the same cases, none trained on another's test."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lungseg.comparison.discover import NothingToCompareError
from lungseg.comparison.judged_run import JudgedRun
from lungseg.core.errors import UserError
from lungseg.core.security.printable_text import one_line
from lungseg.data.contamination import seen_images
from lungseg.evaluation.read_case_table import CaseTable

log = logging.getLogger("lungseg")


@dataclass(frozen=True, eq=False)
class Group:
    """R runs on the same N cases in the same order."""

    entries: list[JudgedRun]
    shared_leaks: int = 0  # test images that every one of them was trained on, as copies across the split
    unique: bool = True  # no other group has its task and test data (with other regions)

    @property
    def table(self) -> CaseTable:
        """Any run's: who the cases are is the same in all."""
        return self.entries[0].table

    @property
    def task(self) -> str:
        """With its regions where the name alone would not tell it from another group."""
        name = self.entries[0].task
        return name if self.unique else f"{name} ({', '.join(self.table.regions)})"

    @property
    def name(self) -> str:
        return one_line(f"{self.task} · {self.entries[0].data} · {self.table.summary['split']}")

    @cached_property
    def scores(self) -> dict[str, NDArray[np.float64]]:
        """Region/metric -> [N, R]; only what every run has."""
        names = [name for name in self.table.numbers if all(name in entry.table.numbers for entry in self.entries)]
        return {name: np.stack([entry.table.numbers[name] for entry in self.entries], axis=1) for name in names}


def group(entries: Sequence[JudgedRun], common: bool = False) -> list[Group]:
    """One group for each task and test data; a run without another is told and left out.

    Runs of one task and data that were tested on different cases are refused, unless ``common`` asks for the cases
    that all of them have. Of runs that were only found in a folder, those that were tested as most were are compared.
    """
    by_test: dict[tuple[str, ...], list[JudgedRun]] = defaultdict(list)
    for entry in entries:
        by_test[entry.task, entry.data, entry.table.summary["split"], *entry.table.regions].append(entry)
    several = {key: found for key, found in by_test.items() if len(found) > 1}
    if not several:
        said = "; ".join(f"{found[0].run.path}: {_about(key)}" for key, found in list(by_test.items())[:4])
        raise NothingToCompareError(
            f"no two of these runs have the same task and test data, so nothing can be compared: {said}"
        )
    for key, found in by_test.items():
        if len(found) == 1:
            log.info("left out: %s is the only run with %s", found[0].run.path, _about(key))
    names = Counter(key[:3] for key in several)
    return [
        replace(_group(found if common else _alike(found), common), unique=names[key[:3]] == 1)
        for key, found in several.items()
    ]


def _alike(entries: list[JudgedRun]) -> list[JudgedRun]:
    """Those with the test cases that most have; the others are told and left out, unless one of them was named."""
    by_cases: dict[frozenset[str], list[JudgedRun]] = defaultdict(list)
    for entry in entries:
        by_cases[frozenset(entry.table.id)].append(entry)
    most = max(by_cases.values(), key=len)
    others = [entry for entry in entries if entry not in most]
    if len(most) < 2 or any(entry.named for entry in others):
        return entries
    for entry in others:
        log.info("left out: %s was tested on other cases than %s and %d more", entry.run.path, most[0].run.path,
                 len(most) - 1)  # fmt: skip
    return most


def _about(key: tuple[str, ...]) -> str:
    task, data, split, *_ = key
    return f"task={task} on {split} of {data}"


def _group(entries: list[JudgedRun], common: bool) -> Group:
    first = entries[0]
    for other in entries[1:]:
        if not common:
            _require_same_cases(first, other)
        elif not set(first.table.id) & set(other.table.id):
            raise UserError(f"{first.run.path} and {other.run.path} have no test case in common")
    shared = set(first.table.id).intersection(*(entry.table.id for entry in entries[1:]))
    ids = [id for id in first.table.id if id in shared]
    aligned = [replace(entry, table=_in_order(entry.table, ids)) for entry in entries]
    for other in aligned[1:]:
        _require_same_images(aligned[0], other)
    if len(ids) < 2:
        few = "one test case only" if ids else "no test case that all of these runs have"
        raise UserError(f"{first.run.path}: {few}; at least 2 are needed to compare runs")
    return Group(aligned, _leaks(aligned))


def _in_order(table: CaseTable, ids: Sequence[str]) -> CaseTable:
    place = {id: row for row, id in enumerate(table.id)}
    return table.only([place[id] for id in ids])


def _require_same_cases(first: JudgedRun, other: JudgedRun) -> None:
    here, there = set(first.table.id), set(other.table.id)
    if here == there:
        return
    only = sorted(here ^ there)
    lacking = other if only[0] in here else first
    text = (
        f"{first.run.path} and {other.run.path} were tested on different cases: {len(here - there)} are only in the "
        f"first, {len(there - here)} only in the second ({only[0]} is not in {lacking.table.path})"
    )
    trained = [(a, b) for a, b in ((first, other), (other, first)) if _trained_on(b, a)]
    for tested, learnt in trained:
        text += f"; {learnt.run.path} was trained on {len(_trained_on(learnt, tested))} of the other's test images"
    raise UserError(f"{text}; give both the same data.split_seed= or data.splits=, or compare with common=true")


def _require_same_images(first: JudgedRun, other: JudgedRun) -> None:
    for id, one, two in zip(first.table.id, first.table.image, other.table.image, strict=True):
        if one and two and one != two:
            raise UserError(
                f"{first.run.path} and {other.run.path}: the case {id!r} is another image in each, so their scores "
                "cannot be paired; judge both on the same data"
            )
    both = f"{first.run.path} and {other.run.path}"
    for region in first.table.regions:
        here, there = (entry.table.of_role(region, "reference_size") for entry in (first, other))
        if here is not None and there is not None and not np.array_equal(here, there):
            id = first.table.id[int(np.flatnonzero(here != there)[0])]
            raise UserError(f"{both}: the case {id!r} has another {region} mask in each; judge both on the same data")
    units = [entry.table.summary.get("unit", "px") for entry in (first, other)]
    if units[0] != units[1]:
        raise UserError(f"{both}: distances are in {units[0]} and in {units[1]}; judge both in the same unit")


def _leaks(entries: Sequence[JudgedRun]) -> int:
    """Test images that all runs were trained on alike; where only some were, they are refused."""
    leaks = [_trained_on(entry, entries[0]) for entry in entries]
    for entry, found in zip(entries, leaks, strict=True):
        unlike = next((other for other, there in zip(entries, leaks, strict=True) if there != found), None)
        if found and unlike is not None:
            raise UserError(
                f"{entry.run.path}: was trained on {len(found)} of the test images ({sorted(found)[0]}), which "
                f"{unlike.run.path} was not: this is no fair comparison; train both on the same splits"
            )
    return len(leaks[0])


def _trained_on(learnt: JudgedRun, tested: JudgedRun) -> set[str]:
    """The ids of those of ``tested``'s cases whose image ``learnt`` was trained or selected on."""
    return seen_images(learnt.run.splits_file).in_table(tested.table.id, tested.table.image)
