"""Reads volumes from NIfTI files into one orientation, and leads arrays back into the order of the file."""

import gzip
import io
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lungseg.core.errors import DataError
from lungseg.data.io.affine import (
    Affine,
    axis_codes,
    canonical_affine,
    from_canonical,
    require_sizes,
    require_usable,
    to_canonical,
    voxel_sizes,
)
from lungseg.data.io.pixel_values import require_numbers

# Geometry alone: descriptions, names and extensions of a header may say who the patient is.
GEOMETRY = ("pixdim", "xyzt_units", "qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
            "qoffset_z", "sform_code", "srow_x", "srow_y", "srow_z")  # fmt: skip
SURPLUS = 1 << 20  # bytes that may follow the voxels; more means that the header is wrong
DEFLATED = 1032  # times as long a compressed file can become at most
DAMAGES = (EOFError, OSError, zlib.error)


@dataclass(frozen=True, eq=False)
class Volume:
    """Holds a scan or a label map: voxels [Z, Y, X], x to the patient's left, y to the back, z to the head.

    ``stored_shape`` and ``stored_affine`` are those of the file's own array [I, J, K], the affine to millimetres with
    x to the right, y to the front, z to the head, as NIfTI has it. ``header`` is a NIfTI header of its geometry alone.
    """

    voxels: NDArray[Any]
    stored_shape: tuple[int, ...]
    stored_affine: Affine
    header: Any
    source: Path

    @property
    def axis_codes(self) -> tuple[str, str, str]:
        """Returns where the axes of the file's array lead to, as in ("L", "A", "S")."""
        return axis_codes(self.stored_affine)

    @property
    def affine(self) -> Affine:
        """Returns what leads from indices (x, y, z) of ``voxels`` to millimetres, as NIfTI has them."""
        return canonical_affine(self.stored_affine, self.stored_shape[:3])

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Returns the millimetres from voxel to voxel along z, y and x."""
        x, y, z = voxel_sizes(self.affine)
        return z, y, x

    @property
    def is_oriented(self) -> bool:
        """Returns whether the file says where left and right are; else its axes are a guess."""
        return bool(self.header["sform_code"] > 0 or self.header["qform_code"] > 0)

    def to_stored(self, array: NDArray[Any]) -> NDArray[Any]:
        """Reorders an array [Z, Y, X] as the file has it: [I, J, K]."""
        if array.shape != self.voxels.shape:
            raise ValueError(f"an array of {array.shape} is not on the grid of {self.voxels.shape}")
        return from_canonical(array.transpose(2, 1, 0), self.stored_affine).reshape(self.stored_shape)


def from_stored(stored: NDArray[Any], header: Any, source: Path) -> Volume:
    """Builds a volume from an array [I, J, K] and a NIfTI header, and refuses a geometry that cannot be used."""
    affine = np.asarray(header.get_best_affine(), np.float64)
    require_usable(affine, source)
    canonical = to_canonical(stored.reshape(stored.shape[:3]), affine)
    return Volume(np.ascontiguousarray(canonical.transpose(2, 1, 0)), stored.shape, affine, _geometry(header), source)


def read_volume_file(path: Path) -> Volume:
    """Reads a .nii or .nii.gz file, and refuses one that is damaged, no volume, or of no usable geometry."""
    nibabel = _nibabel()
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # what it would print is said below
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise DataError(f"{path}: its name ends in {path.suffix or 'nothing'}; expected a volume in .nii or .nii.gz")
    content = _content(path)
    _require_whole(_raw_header(content, path), content, path)
    try:
        image = (nibabel.Nifti2Image if _is_nifti2(content) else nibabel.Nifti1Image).from_bytes(content)
        scaled = image.dataobj.slope != 1 or image.dataobj.inter != 0
        # a slope would make 64-bit numbers of all
        stored = np.asarray(image.dataobj, np.float32) if scaled else np.asanyarray(image.dataobj)
    except Exception as error:  # a decoder raises what it likes on a damaged file
        raise _damaged(path, type(error).__name__) from None
    require_numbers(stored, path)
    return from_stored(stored.astype(stored.dtype.newbyteorder("="), copy=False), image.header, path)


def _nibabel() -> Any:
    """Returns the library, which has types for half of itself."""
    import nibabel

    return nibabel


def _content(path: Path) -> bytes:
    """Returns the whole file, decompressed; at the end of the stream its checksum is compared."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            head = file.read(540)
            promised = _promised(_raw_header(head, path))
            # not what a lying header promises: as much memory would be taken at once
            rest = file.read(min(max(promised, 0), path.stat().st_size * DEFLATED) + SURPLUS)
            if file.read(1):
                raise _damaged(path, f"longer than the {promised} bytes that its header promises")
            return head + rest
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the data changed while it was read, start again") from None
    except DAMAGES as error:
        reason = "it ends too early" if isinstance(error, EOFError) else "its bytes cannot be read"
        raise _damaged(path, reason) from None


def _is_nifti2(content: bytes) -> bool:
    return 540 in (int.from_bytes(content[:4], "little"), int.from_bytes(content[:4], "big"))


def _raw_header(content: bytes, path: Path) -> Any:
    """Returns the header before nibabel repairs it: a spacing of 0 would become 1."""
    nibabel = _nibabel()
    kind = nibabel.Nifti2Header if _is_nifti2(content) else nibabel.Nifti1Header
    try:
        header = kind.from_fileobj(io.BytesIO(content), check=False)
        if not bytes(header["magic"]).startswith((b"n+1", b"n+2")):
            raise ValueError
        _promised(header)
    except Exception:  # any field may be wrong
        raise _damaged(path, "it has no NIfTI header") from None
    return header


def _promised(header: Any) -> int:
    voxels = int(np.prod([int(side) for side in header.get_data_shape()], dtype=object))
    return int(header["vox_offset"]) + voxels * int(header.get_data_dtype().itemsize)


def _require_whole(header: Any, content: bytes, path: Path) -> None:
    """Refuses what is no volume, has sizes of no use or another unit, and a file that lacks voxels."""
    shape = tuple(int(side) for side in header.get_data_shape())
    size = "x".join(map(str, shape))
    if len(shape) < 3 or any(side != 1 for side in shape[3:]):
        raise DataError(f"{path}: holds an array of {size}; expected one volume of three axes: save it as one")
    if min(shape[:3]) < 2:
        raise DataError(
            f"{path}: holds {size} voxels, a single slice; expected a volume of at least 2 slices: give all"
        )
    require_sizes([float(each) for each in header["pixdim"][1:4]], path)
    if int(header["xyzt_units"]) % 8 not in (0, 2):  # what is silent means millimetres
        raise DataError(f"{path}: its voxels are not measured in millimetres; save it again with the unit mm")
    if len(content) < (promised := _promised(header)):
        raise _damaged(path, f"{len(content)} bytes of {promised}")


def _geometry(header: Any) -> Any:
    kept = type(header)()
    for name in GEOMETRY:
        kept[name] = header[name]
    return kept


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path}: not a NIfTI file or damaged ({reason}); copy it again or remove it")
