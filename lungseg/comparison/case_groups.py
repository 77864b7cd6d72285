"""Says which groups the compared cases are in: by class, by hospital, and by each of their attributes."""

from collections.abc import Mapping, Sequence

from lungseg.comparison.grouping import Group
from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError
from lungseg.data.attributes import MOST_GROUPS, group_of


def attribute_groups(group: Group) -> dict[str, list[str]]:
    """Returns attribute -> group of each case, "" where it is unknown; ages in bands.

    What one run's table knows of a case and another's does not is taken from the first; a case of which two runs say
    different things is in no group. An attribute of very many values makes no groups.
    """
    found = {name: [_agreed(said) for said in cases] for name, cases in _said(group).items()}
    return {name: groups for name, groups in found.items() if len(set(groups) - {""}) <= MOST_GROUPS}


def disputed(group: Group) -> dict[str, int]:
    """Returns attribute -> how many cases the runs' tables put into different groups."""
    found = {name: sum(len(said) > 1 for said in cases) for name, cases in _said(group).items()}
    return {name: number for name, number in found.items() if number}


def _said(group: Group) -> dict[str, list[set[str]]]:
    """Returns attribute -> for each case the groups that any run's table puts it into."""
    found: dict[str, list[set[str]]] = {}
    for entry in group.entries:
        for name, values in entry.table.attributes.items():
            cases = found.setdefault(name, [set() for _ in values])
            for said, value in zip(cases, values, strict=True):
                said |= {group_of(name, value)} - {""}
    return found


def _agreed(said: set[str]) -> str:
    return next(iter(said)) if len(said) == 1 else ""


def case_groups(group: Group) -> dict[str, list[str]]:
    """Returns what cases are grouped by -> group of each case, "" where it is unknown."""
    return {"class": group.table.label, "domain": group.table.domain, **attribute_groups(group)}


def require_known(by: str, groups: Sequence[Group]) -> None:
    """Refuses a name by which no cases can be grouped, and says which there are."""
    there: list[str] = list(dict.fromkeys(name for group in groups for name in _known(case_groups(group))))
    if by not in there:
        raise UsageError(f"by={by}: the cases are not grouped by that; expected {', '.join(there)}"
                         f"{suggestion(by, there)}")  # fmt: skip


def _known(found: Mapping[str, Sequence[str]]) -> list[str]:
    return [name for name, groups in found.items() if any(groups)]
