"""What happens to a case before it is augmented, and the way back from the net's pixels to the image's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.io.image import read_case, resize_image, resize_masks
from lungseg.data.loaded_case import LoadedCase

IMAGENET = (0.449, 0.226)  # averaged over colours: what every published encoder was trained under

Normalisation = tuple[float, float] | None  # mean and standard deviation in 0..1; None: each image's own


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in an image's own pixels; what of it reaches beyond the edges is black and belongs to no region."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, planes: NDArray[np.generic]) -> NDArray[np.generic]:
        """[..., H, W] -> [..., height, width]."""
        rows, columns, inner = self._overlap(planes.shape[-2:])
        if inner == (self.height, self.width) == planes.shape[-2:]:
            return planes
        found = np.zeros((*planes.shape[:-2], self.height, self.width), planes.dtype)
        down, right = max(-self.top, 0), max(-self.left, 0)
        found[..., down : down + inner[0], right : right + inner[1]] = planes[..., rows, columns]
        return found

    def put_back(self, planes: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        """[K, height, width] -> [K, *shape], 0 outside the rectangle."""
        rows, columns, inner = self._overlap(shape)
        if inner == (self.height, self.width) == shape:
            return planes
        found = np.zeros((len(planes), *shape), np.float32)
        down, right = max(-self.top, 0), max(-self.left, 0)
        found[:, rows, columns] = planes[:, down : down + inner[0], right : right + inner[1]]
        return found

    def _overlap(self, shape: tuple[int, ...]) -> tuple[slice, slice, tuple[int, int]]:
        """Rows and columns of the image that are in the rectangle, and how many."""
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.top + self.height, shape[0]), min(self.left + self.width, shape[1])
        return slice(top, bottom), slice(left, right), (max(bottom - top, 0), max(right - left, 0))


@dataclass(frozen=True)
class Preprocessing:
    """The same for training, validation and every later use.

    ``aspect``: squash (stretched to the square) or pad (black beside it). ``boxes``: by case id, what is cut out
    before all else. ``normalise`` does not change pixels, only what the net is given of them.
    """

    size: int
    clahe: bool = False
    aspect: str = "squash"
    boxes: Mapping[str, Box] = field(default_factory=dict)
    normalise: Normalisation = IMAGENET

    def box(self, id: str, shape: tuple[int, ...]) -> Box:
        """What of the image the net sees."""
        box = self.boxes.get(id) or Box(0, 0, *shape[:2])
        if self.aspect == "pad":
            side = max(box.height, box.width)
            box = Box(box.top - (side - box.height) // 2, box.left - (side - box.width) // 2, side, side)
        return box

    def image(self, id: str, image: Gray) -> Gray:
        """[H, W] -> [size, size]."""
        if self.clahe:
            image = np.asarray(cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(image), np.uint8)
        return resize_image(np.asarray(self.box(id, image.shape).cut(image), np.uint8), self.size)

    def case(self, case: Case, regions: Sequence[str]) -> tuple[Gray, Mask]:
        """Image [size, size] and masks [K, size, size]."""
        image, masks = read_case(case, list(regions))
        cut = np.asarray(self.box(case.id, image.shape).cut(masks), np.bool_)
        return self.image(case.id, image), resize_masks(cut, self.size)

    def load(self, case: Case, regions: Sequence[str]) -> LoadedCase:
        """Returns the image and its masks as they were published."""
        return LoadedCase(case, *read_case(case, list(regions)))

    def input(self, loaded: LoadedCase) -> Tensor:
        """[H, W] -> what the net is given of it."""
        return self.tensor(self.image(loaded.case.id, loaded.image))

    def cache_key(self, case: Case) -> object:
        """Returns what decides about the pixels of a case but its files."""
        return self.size, self.clahe, self.aspect, self.boxes.get(case.id)

    def least_bytes(self, case: Case, regions: Sequence[str]) -> tuple[int, int]:
        """Returns how much space the image and the masks of a case take."""
        return self.size**2, self.size**2 * len(regions)

    def tensor(self, image: Gray) -> Tensor:
        """[H, W] uint8 -> [1, H, W] float32, as the net is given it."""
        pixels = image.astype(np.float32)[None] / 255
        mean, std = self.normalise or (float(pixels.mean()), max(float(pixels.std()), 1e-3))
        return torch.from_numpy((pixels - np.float32(mean)) / np.float32(std))

    def back(self, planes: NDArray[np.float32], id: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """[K, size, size] -> [K, *shape], bilinear: the net's pixels over the image's own."""
        box = self.box(id, shape)
        if planes.shape[1:] != (box.height, box.width):
            size = (box.width, box.height)
            planes = np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in planes])
        return box.put_back(planes, (shape[0], shape[1]))
