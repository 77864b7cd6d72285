"""Says which groups the compared cases are in: by class, by hospital, and by each of their attributes."""

from collections.abc import Mapping, Sequence

from lungseg.comparison.grouping import Group
from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError
from lungseg.data.attributes import MOST_GROUPS, group_of


def attribute_groups(group: Group) -> dict[str, list[str]]:
    """Returns attribute -> group of each case, "" where it is unknown; ages in bands.

    A run that was judged before its data had an attribute takes it from one that was judged since; an attribute of very
    many values makes no groups.
    """
    found: dict[str, list[str]] = {}
    for entry in group.entries:
        for name, values in entry.table.attributes.items():
            found.setdefault(name, [group_of(name, value) for value in values])
    return {name: groups for name, groups in found.items() if len(set(groups) - {""}) <= MOST_GROUPS}


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
