"""Takes from the table beside a folder what is known of its cases, and nothing that tells who they are.

A column becomes an attribute where it is an age, or where several patients share its values. What may be a name, a
number of a person, a date or a free text is passed over, whatever the table or ``data.columns`` call it.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lungseg.core.errors import DataError
from lungseg.data.attributes import (
    LONGEST,
    MOST,
    MOST_GROUPS,
    OLDEST,
    PREFIX,
    RESERVED,
    Attributes,
    is_age,
    is_name,
    is_value,
    name_of,
    years,
)
from lungseg.data.sources.folder_table import SUBJECT, TRAIT, Metadata, is_nobody, is_unknown
from lungseg.data.sources.issues import Problem

PERSONAL = re.compile(  # parts of a heading
    r"name|initials|birth|geburt|d_?o_?b|date|datum|fecha|time|mrn|ssn|accession|address|street|zip|postal|postcode"
    r"|phone|mail|insurance|passport|comment|note|remark|report|history|descri|free_?text|physician|doctor|radiologist"
    r"|operator|technician|reader|author|path|file|url|link|hash|uid"
    r"|(^|_)(id|ids|key|year|dob)(_|$)|(study|scan|image|case|series|exam|visit|record|hospital)_?(id|nr|no|num|number)"
)
NUMBERED = re.compile(r"[a-z]I[Dd]$|^ID$")  # StudyID
CLOSED = re.compile(r"sex|gender|view|projection|laterality|orientation|position|modality")  # a few words, of no person
TYPICAL = re.compile(  # headings that are taken where no column names the patients
    rf"{CLOSED.pattern}|scanner|device|detector|manufacturer|vendor|model|site|hospital|clinic|cent(er|re)|ward|country"
    r"|region|race|ethnic|smok|severity|quality"
)
MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
DATE = re.compile(
    rf"\d[-./]\d{{1,2}}[-./]\d|(19|20)\d{{6}}|^(19|20)\d\d([-./]\d+)?$|\d{{1,2}}[-./](19|20)\d\d|\d:\d\d"
    rf"|\d[-./ ]*{MONTH}|^{MONTH}[-./ ]+\d",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TableAttributes:
    """Holds the attributes of each file's ``key_of``, and what is told of the table's other columns."""

    names: tuple[str, ...] = ()
    of: Mapping[str, Attributes] = field(default_factory=dict)
    told: tuple[Problem, ...] = ()
    passed_over: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Column:
    """Holds a column's value by file, "" where it is unknown, and the patient of each."""

    name: str
    values: Mapping[str, str]
    patients: Mapping[str, str]
    is_wanted: bool  # ``data.columns`` names it, or its heading leaves no doubt

    @property
    def different(self) -> set[str]:
        return set(self.values.values()) - {""}

    @property
    def is_age(self) -> bool:
        return is_age(self.name) and all(years(value) is not None for value in self.different)

    @property
    def shared(self) -> set[str]:
        """Returns the values that do not lead to one patient."""
        if CLOSED.search(self.name):
            return self.different
        owners = defaultdict(set)
        for key, value in self.values.items():
            owners[value].add(self.patients[key])
        return {value for value in self.different if len(owners[value]) > 1}


def read_attributes(metadata: Metadata, keys: Collection[str], columns: Mapping[str, str]) -> TableAttributes:
    """Reads those of the images with these keys; ``columns`` may name some, as ``attribute_sex: Geschlecht``."""
    if metadata.path is None:
        return TableAttributes()
    named = _named(metadata, columns)
    taken: dict[str, Mapping[str, str]] = {}
    passed_over = []
    for title in sorted(metadata.passed_over, key=lambda title: title not in named):
        column = _column(metadata, title, named.get(title), [key for key in metadata.rows if key in keys])
        reason = _refusal(title, column, taken)
        if reason and title in named:
            raise DataError(f"{metadata.path}: its column {title!r} {reason}; leave it out of data.columns")
        if reason:
            passed_over.append(Problem("column passed over", metadata.path, f"its column {title!r} {reason}", False))
        else:
            shared = column.different if column.is_age else column.shared
            taken[column.name] = {key: value if value in shared else "" for key, value in column.values.items()}
    of = {key: tuple((name, values.get(key, "")) for name, values in taken.items()) for key in keys}
    said = f"says {', '.join(taken)} of the cases, and their tables will, too; remove a column to leave it out"
    told = (Problem("attributes", metadata.path, said, harm=False),) if taken else ()
    return TableAttributes(tuple(taken), of, told, tuple(passed_over))


def _named(metadata: Metadata, columns: Mapping[str, str]) -> dict[str, str]:
    """Returns the heading of each column that ``data.columns`` calls an attribute, and the attribute."""
    there = {title.lower(): title for title in metadata.passed_over}
    named = {}
    for ours, theirs in columns.items():
        if not ours.startswith(PREFIX):
            continue
        if str(theirs).strip().lower() not in there:
            raise DataError(
                f"{metadata.path}: data.columns.{ours}={theirs}: no such column; there are {', '.join(there.values())}"
            )
        named[there[str(theirs).strip().lower()]] = ours.removeprefix(PREFIX)
    return named


def _column(metadata: Metadata, title: str, name: str | None, keys: Sequence[str]) -> Column:
    cells = {key: metadata.further[key].get(title, "") for key in keys}
    rows = {key: metadata.rows[key] for key in keys}
    return Column(
        name_of(title) if name is None else name,
        {key: "" if is_nobody(cell) else cell for key, cell in cells.items()},
        {key: "" if metadata.names_patients and is_unknown(row) else row.get("patient", key)
         for key, row in rows.items()},
        name is not None or metadata.names_patients or TYPICAL.search(name_of(title)) is not None,
    )  # fmt: skip


def _refusal(title: str, column: Column, taken: Collection[str]) -> str:
    """Says why a column cannot be an attribute; empty where it can."""
    heading, name, different = name_of(title), column.name, column.different
    if any(_is_personal(one) for one in (heading, name)) or NUMBERED.search(title):
        return "may say who a patient is, or when something was"
    if name in RESERVED or name in taken or not is_name(name):
        return f"is called as another is ({', '.join((*RESERVED, *taken))}), or by no word of {LONGEST} letters"
    if not different:
        return "is empty"
    if len(taken) == MOST:
        return f"is one more than {MOST}"
    if column.is_age:
        return ""
    if any(DATE.search(value) for value in different):
        return "holds dates"
    if not all(map(is_value, different)):
        return f"holds texts of more than {LONGEST} letters"
    if len(different) > MOST_GROUPS:
        ages = f", which are not all ages from 0 to {OLDEST}" if is_age(name) else ""
        return f"has {len(different)} different values{ages}; an attribute has at most {MOST_GROUPS}"
    if not column.is_wanted:
        return f"may name somebody, for no column names the patients; data.columns={{{PREFIX}{name}: {title}}} takes it"
    if 2 * len(column.shared) < len(different):
        return "has values that no two patients share, so they may name them"
    return ""


def _is_personal(name: str) -> bool:
    return bool(PERSONAL.search(name) or (SUBJECT.search(name) and not TRAIT.search(name)))
