"""A case with its pixels as they were published."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.core.prediction import Prediction
from lungseg.data.case import Case


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """Holds a case, its image [H, W] or volume [Z, Y, X], and the masks of a task's regions, [K, ...] of that size.

    ``spacing``: millimetres along each axis of a volume; None of a picture.
    """

    case: Case
    image: NDArray[Any]
    masks: Mask
    spacing: tuple[float, ...] | None = None


Predicted = Iterator[tuple[LoadedCase, Prediction]]
