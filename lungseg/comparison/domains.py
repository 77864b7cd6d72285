"""The matrix of external validation: each arm on each hospital's cases."""

from lungseg.comparison.analysis import Analysis, Subgroup
from lungseg.comparison.report import Report, number


def matrix(report: Report, region: str) -> list[list[str]] | None:
    """A head and a row for each arm by the region's first score, the best first; None where there is one domain."""
    found = report.of_region(region)[0]
    columns = [one for one in found.subgroups if one.by == "domain"]
    if not columns:
        return None
    head = ["", *(f"tested on {one.name} ({one.cases} cases)" for one in columns)]
    arms = [int(place) for place in found.ranking.order]
    return [head, *([report.arms[place].name, *(_cell(found, one, place) for one in columns)] for place in arms)]


def _cell(found: Analysis, one: Subgroup, place: int) -> str:
    digits = found.kind.digits
    low, high = one.low[place], one.high[place]
    span = f" [{low:.{digits}f}, {high:.{digits}f}]" if low == low else ""
    return number(one.mean[place], found.kind) + span
