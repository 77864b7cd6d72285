"""``pictures.zip``: each judged case small, so that a comparison can show it without the data or the net."""

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungseg.core.arrays import Mask
from lungseg.core.errors import UserError
from lungseg.core.shell_commands import evaluate_command
from lungseg.data.io.image import resize_plane
from lungseg.data.visualize.overlay import Overlay

SIDE = 192  # pixels of the longer side
LARGEST = 2**20  # bytes of one picture
BROKEN = (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, SyntaxError, zlib.error,
          zipfile.BadZipFile, Image.DecompressionBombError)  # fmt: skip
STAMP = (1980, 1, 1, 0, 0, 0)  # no time of day: equal judgements are equal files


class PictureWriter:
    """Adds case after case to an open archive: image/N.jpg, reference/REGION/N.png, prediction/REGION/N.png.

    N is the case's row in cases.csv, from 0. A region without a pixel has no picture.
    """

    def __init__(self, archive: zipfile.ZipFile, regions: Sequence[str]) -> None:
        self.archive, self.regions, self.number = archive, list(regions), 0

    def add(self, overlay: Overlay) -> None:
        """Adds the next case as it is drawn; a task without masks has its image alone."""
        image = overlay.image
        scale = min(SIDE / max(image.shape), 1)
        shape = (max(round(image.shape[0] * scale), 1), max(round(image.shape[1] * scale), 1))
        small = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)
        self._write(f"image/{self.number}.jpg", np.asarray(small, np.uint8), "JPEG")
        for name, masks in (("reference", overlay.reference), ("prediction", overlay.prediction)):
            for region, mask in zip(self.regions, masks, strict=False):
                if mask.any():
                    self._write(f"{name}/{region}/{self.number}.png", resize_plane(mask, shape), "PNG")
        self.number += 1

    def _write(self, name: str, pixels: NDArray[np.uint8] | Mask, kind: str) -> None:
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, kind, **({"quality": 82} if kind == "JPEG" else {}))
        self.archive.writestr(zipfile.ZipInfo(name, STAMP), content.getvalue())


class Pictures:
    """Reads them again, by row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shapes: dict[int, tuple[int, int]] = {}
        try:
            if not path.is_file():
                raise FileNotFoundError("it is no plain file")
            self.archive = zipfile.ZipFile(path)
            self.names = set(self.archive.namelist())
        except BROKEN as error:
            raise self._refused(f"cannot be read ({error})") from None

    @property
    def again(self) -> str:
        return evaluate_command(self.path.parents[2])

    def jpeg(self, row: int) -> bytes:
        return self._read(f"image/{row}.jpg")

    def shape(self, row: int) -> tuple[int, int]:
        """[H, W] of the image; one that is larger than evaluate.py writes any is refused."""
        if row not in self._shapes:
            with self._opened(f"image/{row}.jpg") as file:
                self._shapes[row] = (file.height, file.width)
        return self._shapes[row]

    def mask(self, kind: str, region: str, row: int) -> Mask:
        """Returns [H, W] of the image's size, empty where there is no picture; ``kind`` is reference or prediction."""
        shape, name = self.shape(row), f"{kind}/{region}/{row}.png"
        if name not in self.names:
            return np.zeros(shape, np.bool_)
        with self._opened(name) as file:
            mask = np.asarray(file.convert("L")) > 0
        if mask.shape != shape:
            raise self._refused(f"{name} is {mask.shape[1]}x{mask.shape[0]} pixels, its image {shape[1]}x{shape[0]}")
        return mask

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[Image.Image]:
        try:
            with Image.open(io.BytesIO(self._read(name)), formats=("JPEG", "PNG")) as file:
                if max(file.size) > SIDE:
                    size = f"{file.width}x{file.height}"
                    raise self._refused(f"{name} has {size} pixels, expected at most {SIDE} a side")
                yield file
        except BROKEN as error:
            raise self._refused(f"{name} cannot be read ({error})") from None

    def _read(self, name: str) -> bytes:
        try:
            if self.archive.getinfo(name).file_size > LARGEST:
                size = f"{self.archive.getinfo(name).file_size:,} bytes"
                raise self._refused(f"{name} has {size}, expected at most {LARGEST:,}")
            return self.archive.read(name)
        except BROKEN as error:
            raise self._refused(f"{name} cannot be read ({error})") from None

    def _refused(self, why: str) -> UserError:
        return UserError(f"{self.path}: {' '.join(why.split())}; judge the run again: {self.again}")
