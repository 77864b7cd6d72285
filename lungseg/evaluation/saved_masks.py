"""Writes predicted masks into the folder of a judgement, each in the space of its own input."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lungseg.core.arrays import Mask
from lungseg.core.prediction import Prediction
from lungseg.data.case import files
from lungseg.data.io.volume import Volume, from_stored, read_volume_file
from lungseg.data.io.volume_writer import write_mask
from lungseg.data.loaded_case import LoadedCase

FOLDER = "masks"
ODD = re.compile(r"[^\w.-]+", re.ASCII)


class MaskWriter:
    """Writes masks/REGION/ID.nii.gz of volumes and ID.png of pictures; they are in place once all are written."""

    def __init__(self, directory: Path, regions: Sequence[str], threshold: float) -> None:
        self.place, self.partial = directory / FOLDER, directory / f".partial-{FOLDER}"
        self.regions, self.threshold = list(regions), threshold
        shutil.rmtree(self.partial, ignore_errors=True)  # of a judgement that was killed

    def add(self, prediction: Prediction, loaded: LoadedCase) -> None:
        """Writes the masks of a case."""
        masks = prediction.mask(self.threshold)
        like = _grid(loaded) if masks.ndim == 4 else None
        for region, mask in zip(self.regions, masks, strict=True):
            folder = self.partial / region
            folder.mkdir(parents=True, exist_ok=True)
            name = file_name(loaded.case.id)
            if like is None:
                Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(folder / f"{name}.png")
            else:
                write_mask(mask, like, folder / f"{name}.nii.gz")

    def finish(self) -> Path:
        """Puts the folder in place of an earlier one."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.partial.rename(self.place)
        return self.place

    def give_up(self) -> None:
        """Removes what was written so far."""
        shutil.rmtree(self.partial, ignore_errors=True)


def file_name(id: str) -> str:
    """Returns a case's id as a name that every file system takes, another one for every id."""
    plain = ODD.sub("_", id).strip(".") or "case"
    return plain[:120] if plain == id else f"{plain[:120]}-{hashlib.sha256(id.encode()).hexdigest()[:6]}"


def _grid(loaded: LoadedCase) -> Volume:
    """Returns the grid of a scan as its file has it, or that of a computed one."""
    if paths := files(loaded.case.image):
        return read_volume_file(paths[0])
    import nibabel

    kind: Any = nibabel.Nifti1Image
    z, y, x = loaded.spacing or (1.0, 1.0, 1.0)
    stored: Mask = np.zeros(loaded.image.shape[::-1], np.uint8)
    return from_stored(stored, kind(stored, np.diag([-x, -y, z, 1.0])).header, Path(loaded.case.id))
