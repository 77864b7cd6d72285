"""What a group of runs comes to by one score: means, ranks, differences and how sure they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.comparison.arm import Arm
from lungseg.comparison.group import Group
from lungseg.comparison.kind import Kind
from lungseg.statistics.bootstrap import FEW, mean_intervals
from lungseg.statistics.multiplicity import holm
from lungseg.statistics.paired import COLUMNS, Paired, Pairs, compare_all, compare_with
from lungseg.statistics.ranking import Ranking, rank
from lungseg.statistics.seeds import Spread, seeds_p, spread

SURE = 0.05
MOST_PAIRS = 24  # of the best arms are compared each with each; the others with the best alone
SIZES = ("small", "medium", "large")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Subgroup:
    """The cases of one class, domain or size; arrays [A] by arm."""

    by: str
    name: str
    cases: int
    patients: int
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Analysis:
    """By arm [A]: ``versus`` is each minus the best (None for the best itself), ``adjusted`` its p after Holm.

    ``pairs`` are [A, A], NaN beyond the ``MOST_PAIRS`` best; ``pairs_adjusted`` their p after Holm over all of them.
    ``seeds_p``: Welch's test against the best with the seeds' means as the sample; NaN where either has one seed.
    ``values`` [N, A] are means over seeds; a case that any arm has no score for counts for none.
    """

    kind: Kind
    values: Floats
    ranking: Ranking
    low: Floats
    high: Floats
    versus: list[Paired | None]
    adjusted: Floats
    pairs: Pairs
    pairs_adjusted: Floats
    subgroups: list[Subgroup]
    spreads: dict[int, Spread]
    seeds_p: Floats
    patients: int

    @property
    def cases(self) -> int:
        """That count."""
        return int((~np.isnan(self.values).any(axis=1)).sum())

    @property
    def best(self) -> int:
        return int(self.ranking.order[0])

    def behind(self, place: int) -> bool:
        """Whether an arm is surely worse than the best: by the test after its correction, and by the interval."""
        versus = self.versus[place]
        return versus is not None and bool(self.adjusted[place] < SURE and versus.low * versus.high > 0)

    @property
    def sure(self) -> bool:
        """The best is surely better than every other."""
        others = [place for place in range(len(self.versus)) if place != self.best]
        return bool(others) and all(self.behind(place) for place in others)

    @property
    def rough(self) -> bool:
        return self.patients < FEW


def analyse(group: Group, arms: Sequence[Arm], kind: Kind) -> Analysis:
    scores = group.scores[kind.id]
    by_run = np.where(np.isnan(scores).any(axis=1, keepdims=True), np.nan, scores)
    values = np.stack([by_run[:, arm.columns].mean(axis=1) for arm in arms], axis=1)
    patients = group.table.patient
    ranking = rank(values, patients, kind.higher)
    low, high = _intervals(values, patients)
    best = int(ranking.order[0])
    against = compare_with(values, best, patients)
    versus: list[Paired | None] = [*against[:best], None, *against[best:]]
    adjusted = holm(np.array([np.nan if one is None else one.p for one in versus]))
    pairs = _pairs(values, ranking, patients)
    there = ~np.isnan(values).any(axis=1)
    return Analysis(
        kind,
        values,
        ranking,
        low,
        high,
        versus,
        adjusted,
        pairs,
        _holm_over_pairs(pairs.p),
        list(_subgroups(group, kind, values)),
        {n: spread(by_run[:, arm.columns], patients) for n, arm in enumerate(arms) if len(arm.columns) > 1},
        _over_seeds([by_run[:, arm.columns] for arm in arms], best),
        len({patient for patient, known in zip(patients, there, strict=True) if known}),
    )


def _intervals(values: Floats, patients: Sequence[str]) -> tuple[Floats, Floats]:
    """Of each column, all at once: a case has a score in all or in none."""
    there = np.flatnonzero(~np.isnan(values).any(axis=1))
    return mean_intervals(values[there], [patients[row] for row in there.tolist()])


def _over_seeds(by_arm: Sequence[Floats], best: int) -> Floats:
    """The best with itself is no test."""
    against = by_arm[best]
    return np.array([np.nan if n == best else seeds_p(values, against) for n, values in enumerate(by_arm)])


def _pairs(values: Floats, ranking: Ranking, patients: Sequence[str]) -> Pairs:
    arms = values.shape[1]
    chosen = np.sort(ranking.order[:MOST_PAIRS])
    found = compare_all(values[:, chosen], patients)

    def spread_out(square: Floats) -> Floats:
        whole = np.full((arms, arms), np.nan)
        whole[np.ix_(chosen, chosen)] = square
        return whole

    squares = {name: spread_out(getattr(found, name)) for name in COLUMNS}
    return Pairs(**squares, cases=found.cases, patients=found.patients)


def _holm_over_pairs(p: Floats) -> Floats:
    """Each pair is one test, though it stands in the table twice."""
    upper = np.triu_indices(len(p), 1)
    adjusted = np.full(p.shape, np.nan)
    adjusted[upper] = holm(p[upper])
    adjusted.T[upper] = adjusted[upper]
    return adjusted


def _subgroups(group: Group, kind: Kind, values: Floats) -> Iterator[Subgroup]:
    """By class and domain where there are several, and by the size of the region in thirds of the cases."""
    table = group.table
    known = np.asarray(~np.isnan(values).any(axis=1))
    for by, names in (("class", table.label), ("domain", table.domain)):
        there = sorted({name for name, scored in zip(names, known.tolist(), strict=True) if scored and name})
        for name in there if len(there) > 1 else []:
            yield _subgroup(by, name, np.array([one == name for one in names]) & known, values, table.patient)
    share = table.numbers[f"{kind.region}/reference_share"]
    with_region = known & (share > 0)
    if with_region.sum() >= 2 * len(SIZES) * 3:
        limits = np.quantile(share[with_region], [1 / 3, 2 / 3])
        for number, size in enumerate(SIZES):
            rows = with_region & (np.searchsorted(limits, share, side="left") == number)
            if rows.any():
                span = f"{100 * share[rows].min():.2g} to {100 * share[rows].max():.2g}% of the image"
                yield _subgroup(f"size of the {kind.region}", f"{size} ({span})", rows, values, table.patient)


def _subgroup(by: str, name: str, rows: NDArray[np.bool_], values: Floats, patients: Sequence[str]) -> Subgroup:
    chosen, owners = values[rows], [patients[row] for row in np.flatnonzero(rows).tolist()]
    low, high = _intervals(chosen, owners)
    return Subgroup(by, name, int(rows.sum()), len(set(owners)), chosen.mean(axis=0), low, high)
