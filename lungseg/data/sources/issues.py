"""What is wrong with a data set: the first thing stops a training, all of them are what a check lists."""

from dataclasses import dataclass
from pathlib import Path

from lungseg.core.errors import DataError
from lungseg.core.security.printable_text import one_line


@dataclass(frozen=True, slots=True)
class Problem:
    """``kind`` groups like things (unmatched, unreadable, ...); one that does no ``harm`` is told, not refused."""

    kind: str
    path: Path
    said: str  # what was found; what was expected and what to do
    harm: bool = True

    def __str__(self) -> str:
        return one_line(f"{self.path}: {self.said}")


def patients_not_known(path: Path) -> Problem:
    """Tell that a publisher says nothing of patients."""
    said = "names no patients; each image counts as one, and two of one person may stand on two sides of a split"
    return Problem("patients not known", path, said, harm=False)


def settle(found: list[Problem], into: list[Problem] | None) -> None:
    """Hand the problems to ``into``; where nobody collects them, the first harmful one is an error."""
    if into is not None:
        into.extend(found)
        return
    harmful = [problem for problem in found if problem.harm]
    if harmful:
        alike = sum(problem.kind == harmful[0].kind for problem in harmful)
        more = f" ({alike} such files)" if alike > 1 else ""
        raise DataError(f"{harmful[0]}{more}")
