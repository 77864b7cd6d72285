"""Says what the regions of a task are: organs, or lesions whose share of an organ is reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lungseg.core.errors import UserError

SIDES = {"left_": "right_", "right_": "left_"}


@dataclass(frozen=True)
class Regions:
    """Holds the regions in the order of a net's outputs, from the outer to the inner.

    ``lesions`` maps each region whose parts are counted one by one to the organ that it lies in, which need not be a
    region of the task itself.
    """

    names: tuple[str, ...]
    lesions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for lesion, organ in self.lesions.items():
            if lesion not in self.names or organ == lesion:
                raise UserError(
                    f"task.lesions={{{lesion}:{organ}}}: expected some of task.regions=[{','.join(self.names)}], each "
                    "with the organ that it lies in"
                )

    @property
    def organs(self) -> list[str]:
        """Lists the regions that are no lesions."""
        return [name for name in self.names if name not in self.lesions]

    @property
    def hosts(self) -> list[str]:
        """Lists the organs that lesions lie in, each once, whether or not the task has them as regions."""
        return list(dict.fromkeys(self.lesions.values()))

    @property
    def organ(self) -> str:
        """Names the organ that a net is expected to look at: its own, else that of its lesions."""
        return [*self.organs, *self.hosts][0]

    def mirrored(self) -> list[int]:
        """Returns for each region the place of what it is in a mirrored image."""
        return [self.names.index(other) if (other := _other_side(name)) in self.names else place
                for place, name in enumerate(self.names)]  # fmt: skip

    def index(self, name: str) -> int | None:
        """Returns a region's place among the outputs; None where the task does not have it."""
        return self.names.index(name) if name in self.names else None


def _other_side(name: str) -> str:
    for side, other in SIDES.items():
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def regions_of(task: Mapping[str, Any]) -> Regions:
    """Reads them from a task's config."""
    names: Sequence[str] = task.get("regions", ())
    return Regions(tuple(names), dict(task.get("lesions", {})))
