import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from lungseg.core.errors import DataError
from lungseg.data.attributes import MOST, Attributes, is_name, is_value

SPLITS = ("train", "val", "test")


@runtime_checkable
class Rendered(Protocol):
    """A picture that is computed, not stored: hashable, picklable, and equal bytes at every ``read``."""

    def read(self) -> NDArray[Any]:
        """The picture: [H, W] uint8; a mask holds 0 and 255."""
        ...


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A published mask that is more than one two-level file of its image's size.

    ``paths`` are united, as a left and a right lung. ``soft``: edges are blended, a pixel belongs where it has at
    least half the highest value. ``scaled``: published at another size than its image, and resized to it.
    ``labels``: which values of a label map are the region; None: all but 0. ``side``: the patient's left or right
    lung, of a map whose ``labels`` are the right and the left one; where they lie decides, not their numbers.
    """

    paths: tuple[Path, ...]
    soft: bool = False
    scaled: bool = False
    labels: tuple[int, ...] | None = None
    side: str | None = None

    def __str__(self) -> str:
        return " + ".join(map(str, self.paths))


Picture = Path | MaskFile | Rendered


def files(picture: Picture) -> tuple[Path, ...]:
    """The files that a picture is made of; none where it is computed."""
    if isinstance(picture, MaskFile):
        return picture.paths
    return (picture,) if isinstance(picture, Path) else ()


def place(case: "Case") -> str:
    """Its image's file, or its id where the image is computed."""
    return " ".join(map(str, files(case.image))) or case.id


def identity(picture: Picture) -> str:
    """What a picture is wherever it lies: its files' names and sizes, or how it is computed."""
    if not (paths := files(picture)):
        return repr(picture)
    named = "+".join(f"{path.name}:{path.stat().st_size}" for path in paths)
    if isinstance(picture, MaskFile):
        named += f":{picture.soft:d}{picture.scaled:d}{picture.labels or ''}{picture.side or ''}"
    return named


def checksum(image: Picture) -> str:
    """What an image is under whatever name: its file's size and a checksum of its end, or how it is computed."""
    if not isinstance(image, Path):
        return identity(image)
    with image.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 4096, 0))
        return f"{size}:{zlib.crc32(file.read()):08x}"


def short_checksum(checksum: str) -> str:
    """Twelve letters for a ``checksum``, as tables of cases name an image."""
    return hashlib.sha256(checksum.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One study as a radiologist would call it: an image, the masks that exist for it, whose it is.

    ``masks`` maps a region (``lung``, ``infection``) to its picture; a region that nobody annotated is absent,
    which is not the same as an empty mask. ``split`` is the publisher's, or None where none was published. ``domain``
    is the hospital or collection, where the data set holds several. ``attributes`` are what else is known of whose it
    is and how it was taken, as in ``(("sex", "F"), ("age", "45"))``; nothing that tells who it is.
    """

    id: str
    image: Picture
    masks: Mapping[str, Picture] = field(default_factory=dict)
    patient: str
    label: str
    split: str | None = None
    domain: str | None = None
    attributes: Attributes = ()

    def __post_init__(self) -> None:
        if not self.id or not self.patient:
            raise DataError(f"case {self.id or self.image!r}: id and patient must not be empty")
        if self.split is not None and self.split not in SPLITS:
            raise DataError(f"case {self.id}: its split is {self.split!r}; expected one of {', '.join(SPLITS)}")
        names = [name for name, _ in self.attributes]
        if not all(map(is_name, names)) or len(set(names)) < len(names):
            raise DataError(f"case {self.id}: its attributes are called {', '.join(names)}; expected different words")
        if len(names) > MOST:
            raise DataError(f"case {self.id}: has {len(names)} attributes; expected at most {MOST}")
        unfit = [name for name, value in self.attributes if not is_value(value)]
        if unfit:
            raise DataError(f"case {self.id}: its {unfit[0]} is no short text on one line")


def fingerprint(cases: Sequence[Case]) -> str:
    """A hash of which cases there are: ids, patients, classes, file names and sizes; not of where they lie."""
    digest = hashlib.sha256()
    for case in sorted(cases, key=lambda case: case.id):
        parts = [case.id, case.patient, case.label, identity(case.image)]
        parts += [f"{region}:{identity(picture)}" for region, picture in sorted(case.masks.items())]
        digest.update("\x1f".join(parts).encode() + b"\x1e")
    return digest.hexdigest()[:16]
