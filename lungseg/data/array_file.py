"""Keeps arrays of any dtype and shape one after another in a file that all processes of a machine map."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lungseg.core.disk_format import Schema, Whole
from lungseg.core.security.safe_json import parse_json, read_plain_file

ALIGNMENT = 64  # bytes at whose multiples arrays begin, as NumPy and PyTorch read them fastest
NUMBERS = "biufc"  # kinds of dtype that are plain bytes; an object would be an address


class ArrayKinds(Schema):
    """Says which pairs of dtype and shape the arrays of a file have."""

    dtypes: list[str]
    shapes: list[list[Whole]]


class ArrayWriter:
    """Appends arrays to a file, and remembers where each lies."""

    def __init__(self, file: BinaryIO, reserved: int) -> None:
        self._file, self._end = file, 0
        self._kinds: dict[tuple[str, tuple[int, ...]], int] = {}
        self._places: list[tuple[int, int]] = []
        self._write_header()
        if reserved and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, file.tell() + reserved)

    def append(self, array: NDArray[Any]) -> None:
        if array.dtype.kind not in NUMBERS:
            raise TypeError(f"an array of {array.dtype} cannot be mapped; expected numbers or true and false")
        padding = -self._end % ALIGNMENT
        self._file.write(bytes(padding))
        self._file.write(np.asarray(array, order="C").data)
        kind = self._kinds.setdefault((array.dtype.str, array.shape), len(self._kinds))
        self._places.append((self._end + padding, kind))
        self._end += padding + array.nbytes

    def finish(self) -> tuple[ArrayKinds, NDArray[np.int64]]:
        """Gives back the space that was reserved and not needed, and waits until the disk holds the rest."""
        self._file.truncate()
        self._file.seek(0)
        self._write_header()
        self._file.flush()
        os.fsync(self._file.fileno())
        kinds = ArrayKinds(dtypes=[dtype for dtype, _ in self._kinds], shapes=[list(shape) for _, shape in self._kinds])
        return kinds, np.array(self._places, np.int64).reshape(-1, 2)

    def _write_header(self) -> None:
        """Says how many bytes follow; NumPy leaves room in a header, so that it is as long with any number."""
        content = {"descr": "|u1", "fortran_order": False, "shape": (self._end,)}
        np.lib.format.write_array_header_1_0(self._file, content)


@contextlib.contextmanager
def create_array_file(path: Path, reserved: int = 0) -> Iterator[ArrayWriter]:
    """Opens a new file to append arrays to, and writes its index beside it when all were.

    ``reserved``: bytes whose space is taken at once, so that a disk that fills up meanwhile stops nobody halfway.
    """
    with path.open("wb") as file:
        writer = ArrayWriter(file, reserved)
        yield writer
        kinds, places = writer.finish()
    for_kinds, for_places = index_paths(path)
    for_kinds.write_text(kinds.model_dump_json())
    np.save(for_places, places)


def index_paths(path: Path) -> tuple[Path, Path]:
    """Returns the files beside a file of arrays: which dtypes and shapes there are, and each one's offset and kind."""
    return path.with_suffix(".kinds.json"), path.with_suffix(".places.npy")


class MappedArrays:
    """Serves the arrays of a file without reading it; ValueError or TypeError where its index cannot be right."""

    def __init__(self, path: Path) -> None:
        for_kinds, for_places = index_paths(path)
        kinds = ArrayKinds.model_validate(parse_json(read_plain_file(for_kinds)))
        self._bytes = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        self._kinds = [(np.dtype(name), tuple(shape)) for name, shape in zip(kinds.dtypes, kinds.shapes, strict=True)]
        self._places = np.load(for_places, allow_pickle=False)
        self._require_places()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> NDArray[Any]:
        offset, kind = self._places[row].tolist()
        dtype, shape = self._kinds[kind]
        return np.ndarray(shape, dtype, self._bytes, offset)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    @property
    def nbytes(self) -> int:
        """Returns the bytes of all arrays, with those between them."""
        return self._bytes.nbytes

    def _require_places(self) -> None:
        """Refuses an index by which anything but numbers within the file would be read."""
        if self._bytes.dtype != np.uint8 or self._bytes.ndim != 1:
            raise ValueError("it is no file of arrays")
        if self._places.dtype != np.int64 or self._places.shape != (len(self), 2):
            raise ValueError("the places are no pairs of offset and kind")
        negative = any(length < 0 for _, shape in self._kinds for length in shape)
        if negative or any(dtype.kind not in NUMBERS for dtype, _ in self._kinds):
            raise ValueError("the index has arrays that cannot be")
        sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in self._kinds]
        offsets, kinds = self._places.T
        if ((kinds < 0) | (kinds >= len(sizes))).any() or max(sizes, default=0) > self.nbytes:
            raise ValueError("the index has arrays that are not there")
        if ((offsets < 0) | (offsets > self.nbytes - np.array(sizes, np.int64)[kinds])).any():
            raise ValueError("the index leads out of the file")
