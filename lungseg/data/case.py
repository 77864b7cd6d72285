from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from lungseg.errors import UserError

SPLITS = ("train", "val", "test")


@runtime_checkable
class Rendered(Protocol):
    """A picture that is computed, not stored: hashable, picklable, and equal bytes at every ``read``."""

    def read(self) -> NDArray[Any]:
        """The picture: [H, W] uint8; a mask holds 0 and 255."""
        ...


Picture = Path | Rendered


def identity(picture: Picture) -> str:
    """What a picture is wherever it lies: a file's name and bytes, or how it is computed."""
    return f"{picture.name}:{picture.stat().st_size}" if isinstance(picture, Path) else repr(picture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One study as a radiologist would call it: an image, the masks that exist for it, whose it is.

    ``masks`` maps a region (``lung``, ``infection``) to its picture; a region that nobody annotated is absent,
    which is not the same as an empty mask. ``split`` is the publisher's, or None where none was published.
    """

    id: str
    image: Picture
    masks: Mapping[str, Picture] = field(default_factory=dict)
    patient: str
    label: str
    split: str | None = None

    def __post_init__(self) -> None:
        if not self.id or not self.patient:
            raise UserError(f"case {self.id or self.image!r}: id and patient must not be empty")
        if self.split is not None and self.split not in SPLITS:
            raise UserError(f"case {self.id}: its split is {self.split!r}; expected one of {', '.join(SPLITS)}")
