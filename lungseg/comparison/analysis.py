"""What a group of runs comes to by one score: means, ranks, differences and how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.comparison.configurations import Configuration
from lungseg.comparison.grouping import Group
from lungseg.comparison.score_type import ScoreType
from lungseg.comparison.strata import Subgroup, intervals, subgroups
from lungseg.metrics.stats.multiple_testing import holm_over_pairs, sure
from lungseg.metrics.stats.paired import COLUMNS, Paired, Pairs, compare_all, compare_with
from lungseg.metrics.stats.patient_weights import Weight, effective_patients, weighted
from lungseg.metrics.stats.permutation import p_of_all, smallest_p
from lungseg.metrics.stats.ranking import Ranking, rank
from lungseg.metrics.stats.seed_variance import Spread, seeds_p, spread

MOST_PAIRS = 24  # of the best arms are shown each with each; p is corrected for the pairs of all

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Analysis:
    """By arm [A]: ``versus`` is each minus the best (None for the best itself), ``adjusted`` its p after Holm.

    ``pairs`` are [A, A], NaN beyond the ``MOST_PAIRS`` best; ``pairs_adjusted`` p after Holm over all arms' pairs.
    The best is picked by the data, so a correction for the comparisons with it alone would be too small: ``adjusted``
    is the best's row of ``pairs_adjusted``. ``alike`` numbers the arms by their scores: equal numbers are equal in
    every case. ``effective`` patients are behind each interval.
    ``seeds_p``: Welch's test against the best with the seeds' means as the sample; NaN where either has one seed.
    ``values`` [N, A] are means over seeds; a case that any arm has no score for counts for none.
    """

    kind: ScoreType
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
    effective: float
    alike: list[int]
    weight: Weight = "images"

    @property
    def cases(self) -> int:
        """That count."""
        return int((~np.isnan(self.values).any(axis=1)).sum())

    @property
    def best(self) -> int:
        return int(self.ranking.order[0])

    @property
    def twins(self) -> list[int]:
        """Lists the arms with the best's scores in every case, the best first; it alone where there is no other."""
        return [int(place) for place in self.ranking.order if self.alike[place] == self.alike[self.best]]

    @property
    def identical(self) -> list[list[int]]:
        """Lists the groups of arms that are equal in every case, the best group first; none where no two are."""
        groups: dict[int, list[int]] = {}
        for place in self.ranking.order.tolist():
            groups.setdefault(self.alike[place], []).append(place)
        return [group for group in groups.values() if len(group) > 1]

    @property
    def smallest_p(self) -> tuple[float, float]:
        """The smallest p that any difference could have with these patients, before and after its correction."""
        smallest = smallest_p(self.patients)
        arms = self.values.shape[1]
        return smallest, min(1.0, smallest * (arms * (arms - 1) // 2))

    def rank(self, place: int) -> int:
        """Counts from 1; arms that are alike in every case share theirs."""
        return next(n for n, other in enumerate(self.ranking.order, 1) if self.alike[other] == self.alike[place])

    def behind(self, place: int) -> bool:
        """Tells whether an arm is surely worse than the best."""
        versus = self.versus[place]
        if versus is None:
            return False
        return bool(sure(self.adjusted[place], np.array(versus.low), np.array(versus.high)))

    @property
    def sure(self) -> bool:
        """The best is surely better than every other."""
        others = [place for place in range(len(self.versus)) if place != self.best]
        return bool(others) and all(self.behind(place) for place in others)

    @property
    def sure_pairs(self) -> NDArray[np.bool_]:
        """Tells for each pair [A, A] whether it is surely apart; for none beyond the ``MOST_PAIRS`` best."""
        return sure(self.pairs_adjusted, self.pairs.low, self.pairs.high) & ~np.isnan(self.pairs.p)


def analyse(group: Group, arms: Sequence[Configuration], kind: ScoreType, weight: Weight = "images") -> Analysis:
    scores = group.scores[kind.id]
    by_run = np.where(np.isnan(scores).any(axis=1, keepdims=True), np.nan, scores)
    values = np.stack([by_run[:, arm.columns].mean(axis=1) for arm in arms], axis=1)
    patients = group.table.patient
    rows, owners = weighted(values, patients, weight)
    ranking = rank(rows, owners, kind.higher)
    known = ~np.isnan(values).any(axis=1)
    effective = effective_patients(np.where(known, 0.0, np.nan), patients, weight)
    low, high = intervals(kind, rows, owners, effective)
    best = int(ranking.order[0])
    against = compare_with(rows, best, owners)
    pairs = _pairs(rows, ranking, owners)
    adjusted = holm_over_pairs(pairs.p if len(arms) <= MOST_PAIRS else p_of_all(rows, owners))
    by_arm = [weighted(by_run[:, arm.columns], patients, weight)[0] for arm in arms]
    return Analysis(
        kind,
        values,
        ranking,
        low,
        high,
        [*against[:best], None, *against[best:]],
        adjusted[best],
        pairs,
        adjusted,
        list(subgroups(group, kind, values, weight)),
        {n: spread(by_arm[n], owners) for n, arm in enumerate(arms) if len(arm.columns) > 1},
        _over_seeds(by_arm, best),
        len({patient for patient, there in zip(patients, known.tolist(), strict=True) if there}),
        effective,
        _alike(values),
        weight,
    )


def _alike(values: Floats) -> list[int]:
    """Numbers each column by the first that equals it."""
    return [
        next(n for n in range(column + 1) if np.array_equal(values[:, n], values[:, column], equal_nan=True))
        for column in range(values.shape[1])
    ]


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
