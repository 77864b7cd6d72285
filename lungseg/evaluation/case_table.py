"""Makes the rows of cases.csv, and chooses the cases that are worth a look."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lungseg.data.attributes import cells
from lungseg.data.case import checksum, short_checksum
from lungseg.tasks.base import CaseScore, Task


def row(task: Task, score: CaseScore) -> dict[str, Any]:
    """Returns id, patient, class, attributes, then what each part of the task scored; what is undefined is empty."""
    case = score.case
    about: dict[str, Any] = {"id": case.id, "patient": case.patient, "class": case.label, "domain": case.domain}
    image = short_checksum(checksum(case.image))
    return {**about, "image": image, **cells(case.attributes), **task.row(score), "image_area": score.pixels}


def worst_median_best(task: Task, scores: Sequence[CaseScore], number: int = 3) -> dict[str, list[CaseScore]]:
    """Chooses by the task's own rank of a case; those without one are left out."""
    ranks = [(rank, score) for score in scores if not np.isnan(rank := task.rank(score))]
    ranks.sort(key=lambda pair: (pair[0], pair[1].case.id))
    ranked = [score for _, score in ranks]
    number = min(number, max(len(ranked) // 3, 1))
    middle = max((len(ranked) - number) // 2, 0)
    return {
        "worst": ranked[:number],
        "median": ranked[middle : middle + number],
        "best": ranked[len(ranked) - number :][::-1],
    }
