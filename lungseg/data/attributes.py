"""Says what an attribute of a case may be called and hold, and which group a value is in: ages stand in bands."""

import re
from collections.abc import Iterable, Mapping, Sequence

from lungseg.core.security.printable_text import is_printable

Attributes = tuple[tuple[str, str], ...]  # name and value, in the order of the table; "" is unknown

MOST = 16  # attributes of a data set
MOST_GROUPS = 30  # different values of one
LONGEST = 40  # characters of a name or a value
PREFIX = "attribute_"  # of its column in a table of cases
UNKNOWN = "unknown"
OLDEST = 120

BANDS = (17, 39, 59, 79)  # the last year of each band; the last band has no end
RESERVED = ("class", "domain", "size")  # what cases are grouped by anyway
NAME = re.compile(r"[^\W\d_]\w*")
AGE = re.compile(r"(^|_)age(_|$)")
YEARS = re.compile(r"(\d{1,3})(?:\.\d+)? ?(?:y|yrs?|years?)?", re.ASCII | re.IGNORECASE)  # 045Y, as DICOM writes it


def header(name: str) -> str:
    """Returns its column in a table of cases."""
    return PREFIX + name


def name_of(title: str) -> str:
    """Makes the name of an attribute from the heading of somebody's column: ``View Position`` is view_position."""
    return re.sub(r"[\W_]+", "_", title.lower()).strip("_").removeprefix(PREFIX)


def is_name(name: str) -> bool:
    """Tells whether an attribute may be called so."""
    return len(name) <= LONGEST and name not in RESERVED and NAME.fullmatch(name) is not None


def is_value(value: str) -> bool:
    """Tells whether a value is short and stays on its line."""
    return len(value) <= LONGEST and is_printable(value)


def is_age(name: str) -> bool:
    return AGE.search(name) is not None


def years(value: str) -> int | None:
    """Returns the whole years of an age from 0 to 120; None for all else."""
    found = YEARS.fullmatch(value)
    return int(found[1]) if found and int(found[1]) <= OLDEST else None


def group_of(name: str, value: str) -> str:
    """Returns the band of an age, and any other value as it is."""
    age = years(value) if is_age(name) else None
    if age is None:
        return value
    for first, last in zip((0, *(end + 1 for end in BANDS)), BANDS, strict=False):
        if age <= last:
            return f"{first}-{last}"
    return f"{BANDS[-1] + 1}+"


def cells(attributes: Attributes) -> dict[str, str]:
    """Returns their columns in a table of cases."""
    return {header(name): value for name, value in attributes}


def completed(each: Sequence[Attributes]) -> list[Attributes]:
    """Gives all cases the same attributes in the same order; what a case does not have is unknown."""
    names = list(dict.fromkeys(name for one in each for name, _ in one))
    return [tuple((name, dict(one).get(name, "")) for name in names) for one in each]


def counted(each: Iterable[Attributes]) -> Mapping[str, Mapping[str, int]]:
    """Counts the cases in each group of each attribute, those of which it is unknown last."""
    found: dict[str, dict[str, int]] = {}
    for attributes in each:
        for name, value in attributes:
            groups = found.setdefault(name, {})
            group = group_of(name, value)
            groups[group] = groups.get(group, 0) + 1
    return {
        name: {group or UNKNOWN: groups[group] for group in sorted(groups, key=lambda group: (not group, group))}
        for name, groups in found.items()
    }
