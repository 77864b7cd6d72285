"""``pictures.zip``: each judged case small, so that a comparison can show it without the data or the net."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lungseg.data.read import Gray, Mask, resize_plane
from lungseg.errors import UserError

SIDE = 192  # pixels of the longer side
STAMP = (1980, 1, 1, 0, 0, 0)  # no time of day: equal judgements are equal files


class PictureWriter:
    """Adds case after case to an open archive: image/N.jpg, reference/REGION/N.png, prediction/REGION/N.png.

    N is the case's row in cases.csv, from 0. A region without a pixel has no picture.
    """

    def __init__(self, archive: zipfile.ZipFile, regions: Sequence[str]) -> None:
        self.archive, self.regions, self.number = archive, list(regions), 0

    def add(self, image: Gray, reference: Mask, prediction: Mask) -> None:
        """[H, W] and [K, H, W] twice."""
        scale = min(SIDE / max(image.shape), 1)
        shape = (max(round(image.shape[0] * scale), 1), max(round(image.shape[1] * scale), 1))
        small = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)
        self._write(f"image/{self.number}.jpg", np.asarray(small, np.uint8), "JPEG")
        for name, masks in (("reference", reference), ("prediction", prediction)):
            for region, mask in zip(self.regions, masks, strict=True):
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
        try:
            self.archive = zipfile.ZipFile(path)
            self.names = set(self.archive.namelist())
        except (OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: cannot be read ({error}); judge the run again: {self.again}") from None

    @property
    def again(self) -> str:
        return f"python evaluate.py run={self.path.parents[2]}"

    def jpeg(self, row: int) -> bytes:
        return self._read(f"image/{row}.jpg")

    def mask(self, kind: str, region: str, row: int, shape: tuple[int, int]) -> Mask:
        """``kind`` is reference or prediction; [H, W] of ``shape``, empty where there is no picture."""
        name = f"{kind}/{region}/{row}.png"
        if name not in self.names:
            return np.zeros(shape, np.bool_)
        with Image.open(io.BytesIO(self._read(name))) as file:
            mask = np.asarray(file) > 0
        if mask.shape != shape:
            raise UserError(f"{self.path}: {name} has another size than its image; judge the run again: {self.again}")
        return mask

    def _read(self, name: str) -> bytes:
        try:
            return self.archive.read(name)
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.path}: {name}: {error}; judge the run again: {self.again}") from None
