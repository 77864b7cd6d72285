"""Boxes of pictures and of volumes as plain numbers, and back."""

from collections.abc import Sequence
from dataclasses import astuple

from lungseg.core.security.safe_json import is_kind
from lungseg.data.preprocessing import Box
from lungseg.data.volumes.box import VolumeBox

AnyBox = Box | VolumeBox


def numbers_of(box: AnyBox) -> list[int]:
    """Returns the four numbers of a picture's box, or the six of a volume's."""
    return list(astuple(box)) if isinstance(box, Box) else [*box.low, *box.high]


def box_of(numbers: Sequence[int]) -> AnyBox:
    """Returns the box that these numbers say; ValueError where they are none."""
    if not all(is_kind(number, int) and number >= 0 for number in numbers):
        raise ValueError(f"{numbers} is no box")
    if len(numbers) == 6:
        z, y, x, back, bottom, right = numbers
        volume = VolumeBox((z, y, x), (back, bottom, right))
        return _with_sides(volume, volume.shape)
    picture = Box(*numbers)
    return _with_sides(picture, (picture.height, picture.width))


def _with_sides(box: AnyBox, sides: Sequence[int]) -> AnyBox:
    if min(sides) < 1:
        raise ValueError(f"{box} is no box")
    return box
