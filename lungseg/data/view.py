"""Says what a case goes through before a net sees it, and back, whether it is a picture or a volume."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.preprocessing import Normalisation


class View(Protocol):
    """Reads cases as a net sees them."""

    @property
    def normalise(self) -> Normalisation: ...

    def load(self, case: Case, regions: Sequence[str]) -> LoadedCase:
        """Returns the case as it was published."""
        ...

    def case(self, case: Case, regions: Sequence[str]) -> tuple[NDArray[Any], Mask]:
        """Returns image and masks on the net's grid, before augmentation."""
        ...

    def cache_key(self, case: Case) -> object: ...

    def least_bytes(self, case: Case, regions: Sequence[str]) -> tuple[int, int]: ...

    def tensor(self, image: Gray) -> Tensor:
        """Returns what the net is given of a sample."""
        ...

    def input(self, loaded: LoadedCase) -> Tensor:
        """Returns what an inferer is given of a whole published case."""
        ...

    def back(self, planes: NDArray[np.float32], id: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Brings [K, ...] on the net's grid to the image's own."""
        ...
