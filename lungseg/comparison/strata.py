"""Parts of the cases that are analysed apart, by class, domain, attribute and size; the intervals of any part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lungseg.comparison.case_groups import case_groups
from lungseg.comparison.grouping import Group
from lungseg.comparison.score_type import ScoreType
from lungseg.metrics.stats.bootstrap import mean_intervals
from lungseg.metrics.stats.patient_weights import Floats, Weight, effective_patients, weighted
from lungseg.metrics.stats.proportions import share_intervals

SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class Subgroup:
    """Holds the cases of one class, domain, attribute or size; arrays [A] by arm."""

    by: str
    name: str
    cases: int
    patients: int
    mean: Floats
    low: Floats
    high: Floats
    effective: float  # patients behind the interval


def intervals(kind: ScoreType, rows: Floats, owners: Sequence[str], effective: float) -> tuple[Floats, Floats]:
    """Computes those of each column [N, A], all at once: a case has a score in all or in none."""
    there = np.flatnonzero(~np.isnan(rows).any(axis=1))
    if kind.share and len(there):
        return share_intervals(rows[there].mean(axis=0), effective)
    return mean_intervals(rows[there], [owners[row] for row in there.tolist()])


def subgroups(group: Group, kind: ScoreType, values: Floats, weight: Weight) -> Iterator[Subgroup]:
    """Analyses by class, domain and attribute where there are several, and by the region's size in thirds of them."""
    table = group.table
    known = np.asarray(~np.isnan(values).any(axis=1))
    whole = _Whole(kind, values, table.patient, weight)
    for by, names in case_groups(group).items():
        there = sorted({name for name, scored in zip(names, known.tolist(), strict=True) if scored and name})
        for name in there if len(there) > 1 else []:
            yield whole.only(by, name, np.array([one == name for one in names]) & known)
    share = table.of_role(kind.region, "size_share")
    if share is None:
        return
    with_region = known & (share > 0)
    if with_region.sum() >= 2 * len(SIZES) * 3:
        limits = np.quantile(share[with_region], [1 / 3, 2 / 3])
        for number, size in enumerate(SIZES):
            rows = with_region & (np.searchsorted(limits, share, side="left") == number)
            if rows.any():
                span = f"{100 * share[rows].min():.2g} to {100 * share[rows].max():.2g}% of the image"
                yield whole.only(f"size of the {kind.region}", f"{size} ({span})", rows)


@dataclass(frozen=True)
class _Whole:
    """Holds all cases, of which a subgroup is a part."""

    kind: ScoreType
    values: Floats
    patients: Sequence[str]
    weight: Weight

    def only(self, by: str, name: str, cases: NDArray[np.bool_]) -> Subgroup:
        """Analyses a part of the cases [N]."""
        chosen, whose = self.values[cases], [self.patients[row] for row in np.flatnonzero(cases).tolist()]
        rows, owners = weighted(chosen, whose, self.weight)
        effective = effective_patients(chosen[:, 0], whose, self.weight)
        low, high = intervals(self.kind, rows, owners, effective)
        return Subgroup(by, name, int(cases.sum()), len(set(whose)), rows.mean(axis=0), low, high, effective)
