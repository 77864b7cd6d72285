"""Reads the images and masks of a data set for a net."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Mask
from lungseg.data.case import Case
from lungseg.data.packed_cache import Pack
from lungseg.data.view import View

Targets = Callable[[Case], Mapping[str, Tensor]]


def no_targets(case: Case) -> Mapping[str, Tensor]:
    """Adds nothing to the image and the masks of a sample."""
    return {}


@dataclass(frozen=True)
class CaseReader:
    """Reads the image and the masks of these regions as a net sees them, from the pack where there is one.

    ``targets`` returns what else a task learns of a case, such as its class.
    """

    regions: Sequence[str]
    how: View
    pack: Pack | None = None
    targets: Targets = no_targets

    def pixels(self, case: Case) -> tuple[NDArray[Any], Mask]:
        """Returns the image [S, S] and its masks [K, S, S] before augmentation and normalisation."""
        return self.pack.case(case.id) if self.pack is not None else self.how.case(case, self.regions)
