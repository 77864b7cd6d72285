"""Computes the columns of a table that are not in its file, each by its role, from those that are."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lungseg.tasks.columns import Column, Role

Numbers = NDArray[np.float64]


def derived(
    declared: Sequence[Column], region: str, numbers: Mapping[str, Numbers], pixels: Numbers | None
) -> dict[str, Numbers]:
    """Returns those of one region; ``pixels``: the size of each image, needed for shares of it."""
    by_role = {column.role: numbers.get(column.key(region)) for column in declared}
    there, found = by_role.get("reference_size"), by_role.get("predicted_size")
    truth, told = by_role.get("reference_amount"), by_role.get("predicted_amount")
    made: dict[Role, Numbers] = {}
    if there is not None and found is not None:
        made["false_alarm"] = np.where(there == 0, found > 0, math.nan)
        if pixels is not None:
            whole = np.maximum(pixels, 1)
            made["false_alarm_extent"] = np.where(there == 0, found / whole, math.nan)
            made["size_share"] = there / whole
    if truth is not None and told is not None:
        made["amount_error"] = np.abs(told - truth)
    return {column.key(region): made[column.role] for column in declared if column.derived and column.role in made}
