"""Tells a page who its cases are, and by which groups they can be chosen."""

from collections.abc import Sequence
from typing import Any

from lungseg.comparison.case_groups import attribute_groups
from lungseg.comparison.grouping import Group


def case_data(group: Group) -> dict[str, Any]:
    """Ids in their order; of class, domain, patient and each attribute the different names, and each case's place."""
    table = group.table
    classes, domains, patients = (_indexed(names) for names in (table.label, table.domain, table.patient))
    return {
        "ids": table.id,
        "classes": classes[0],
        "label": classes[1],
        "domains": domains[0],
        "domain": domains[1],
        "patients": patients[0],
        "patient": patients[1],
        "attributes": [
            {"name": name, "groups": names, "of": places}
            for name, groups in attribute_groups(group).items()
            for names, places in [_indexed(groups)]
        ],
    }


def _indexed(names: Sequence[str]) -> tuple[list[str], list[int]]:
    different = sorted(set(names))
    place = {name: number for number, name in enumerate(different)}
    return different, [place[name] for name in names]
