"""Every case decoded once, at the size that the net sees, in arrays that loading processes share."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lungseg.data.case import Case, identity
from lungseg.data.read import Gray, Mask, read_case, resize_image, resize_masks
from lungseg.errors import UserError


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a case before it is augmented: the same for training, validation and every later use."""

    size: int
    clahe: bool = False

    def image(self, image: Gray) -> Gray:
        """[H, W] -> [size, size]."""
        if self.clahe:
            image = np.asarray(cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(image), np.uint8)
        return resize_image(image, self.size)

    def case(self, case: Case, regions: Sequence[str]) -> tuple[Gray, Mask]:
        """Image [size, size] and masks [K, size, size]."""
        image, masks = read_case(case, list(regions))
        return self.image(image), resize_masks(masks, self.size)


@dataclass(frozen=True)
class Pack:
    """Images [N, size, size] uint8 and masks [N, K, size, size] bool, in the order of the cases."""

    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.images)


def build_pack(cases: Sequence[Case], regions: Sequence[str], how: Preprocessing, show: bool = True) -> Pack:
    """Decode ``cases`` with one thread a core; refused beforehand where memory would not hold them."""
    shape = (len(cases), how.size, how.size)
    needed = len(cases) * how.size**2 * (1 + len(regions))
    available = _free_memory()
    if needed > 0.7 * available:
        raise UserError(
            f"data.cache=true: {len(cases)} cases of {how.size}x{how.size} need {needed / 2**30:.1f} GiB, "
            f"{available / 2**30:.1f} GiB of memory are free; use data.cache=false or a smaller data.size"
        )
    images = np.empty(shape, np.uint8)
    masks = np.empty((len(cases), len(regions), how.size, how.size), np.bool_)

    def fill(index: int) -> None:
        images[index], masks[index] = how.case(cases[index], regions)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        progress = tqdm(
            pool.map(fill, range(len(cases))), "reading", len(cases), leave=False, disable=None if show else True
        )
        for _ in progress:
            pass
    return Pack(images, masks)


def fingerprint(cases: Sequence[Case]) -> str:
    """A hash of which cases went in: ids, patients, classes, file names and sizes; not of where they lie."""
    digest = hashlib.sha256()
    for case in sorted(cases, key=lambda case: case.id):
        parts = [case.id, case.patient, case.label, identity(case.image)]
        parts += [f"{region}:{identity(picture)}" for region, picture in sorted(case.masks.items())]
        digest.update("\x1f".join(parts).encode() + b"\x1e")
    return digest.hexdigest()[:16]


def _free_memory() -> float:
    """Bytes; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
