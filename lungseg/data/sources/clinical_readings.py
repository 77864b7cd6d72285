"""Reads sex and age from what a radiologist wrote of an X-ray in Shenzhen or Montgomery, and nothing else of it."""

import re
from pathlib import Path

from lungseg.data.attributes import OLDEST, Attributes

LONGEST = 4096  # bytes that are looked at
SEX = re.compile(r"\b(?:(f)emale|(m)ale|sex\s*:\s*(?:(f)|(m)))\b", re.IGNORECASE)
AGE = re.compile(  # "male, 45yrs", "female 11 months", "Patient's Age: 027Y"
    r"male[\s,;]*(\d{1,3})\s*-?\s*(?:(y)(?:(?:ea)?rs?|ears?)?|(m)(?:o|os|onths?)|d(?:ays?)?)\b"
    r"|age\s*:\s*(\d{1,3})(?:(y)|(m)|d)?\b",
    re.IGNORECASE,
)


def read_sex_and_age(path: Path) -> Attributes:
    """Returns those that the file tells, an age in whole years; none where there is no such file."""
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST).decode(errors="replace")
    except OSError:
        return ()
    found = []
    if sex := SEX.search(text):
        found.append(("sex", next(letter for letter in sex.groups() if letter).upper()))
    if (age := AGE.search(text)) and (years := _years(age)) is not None:
        found.append(("age", str(years)))
    return tuple(found)


def _years(found: re.Match[str]) -> int | None:
    """Returns None for what is no age; months and days are no year, or few."""
    number = int(found[1] or found[4])
    if found[2] or found[5] or (found[4] and found[0][-1].isdigit()):
        return number if number <= OLDEST else None
    return number // 12 if found[3] or found[6] else 0
