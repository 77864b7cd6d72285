"""Decodes every case once, as the net is to see it, into arrays on disk that all processes of a machine map."""

import contextlib
import errno
import json
import logging
import os
import shutil
import zlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lungseg.core.arrays import Mask
from lungseg.core.cpu_count import cores
from lungseg.core.errors import DataError
from lungseg.core.locks import lock_patiently
from lungseg.core.plural import plural
from lungseg.core.security.safe_json import parse_json, read_plain_file
from lungseg.core.write_errors import refusal
from lungseg.data.array_file import MappedArrays, create_array_file, index_paths
from lungseg.data.cache_dir import cache_folder, key
from lungseg.data.case import Case
from lungseg.data.region_points import region_points

log = logging.getLogger("lungseg")

VERSION = 3  # of what the arrays are and how they lie; a change makes every older pack unused
SAMPLED = 16  # cases whose arrays are compared with their checksums on opening,
SAMPLED_BYTES = 256 * 2**20  # or as many of large ones as have so much, but the first and the last in any case
PLACES = tuple(path.name for name in ("images.npy", "masks.npy", "points.npy") for path in index_paths(Path(name)))
INDEX = ("cases.json", "areas.npy", "checks.npy", *PLACES)  # files that are compared wholly

_Decoded = tuple[NDArray[Any], Mask, NDArray[np.int64], list[int], int]  # with points, areas and the checksum


class Preprocessor(Protocol):
    """Makes the arrays of a case: an image of any dtype and shape, and its masks [K, ...] bool."""

    def case(self, case: Case, regions: Sequence[str]) -> tuple[NDArray[Any], Mask]: ...

    def cache_key(self, case: Case) -> object:
        """Returns all that decides about the arrays of a case but its files; packs differ where its repr does."""

    def least_bytes(self, case: Case, regions: Sequence[str]) -> tuple[int, int]:
        """Returns how much space its image and its masks take at least; 0 where only decoding tells."""


@dataclass(frozen=True)
class Pack:
    """Holds the mapped images and masks of all cases, each region's area [N, K] in elements, and each case's row.

    ``points``: where some voxels of each region of a volume lie, positions in its flat mask.
    """

    folder: Path
    images: MappedArrays
    masks: MappedArrays
    points: MappedArrays
    areas: NDArray[np.int64]
    rows: dict[str, int]

    def __reduce__(self) -> tuple[object, ...]:
        """Another process maps the files again; no pixel is sent."""
        return _map, (self.folder,)

    def case(self, id: str) -> tuple[NDArray[Any], Mask]:
        row = self.rows[id]
        return self.images[row], self.masks[row]

    def points_of(self, id: str) -> NDArray[np.int64]:
        """Returns where some voxels of each region of a volume lie."""
        return self.points[self.rows[id]]


def open_pack(cases: Sequence[Case], regions: Sequence[str], how: Preprocessor, show: bool = True) -> Pack:
    """Returns the pack of just these files, made just so; made where there is none, by one process at a time."""
    made_how = type(how).__qualname__, [how.cache_key(case) for case in cases]
    folder = cache_folder() / key(cases, regions, VERSION, *made_how)
    with _alone(folder):
        if folder.is_dir():
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError, EOFError):
                return _checked(folder, len(cases))
            log.info("the pack %s is damaged and is made again", folder)
            shutil.rmtree(folder)
        partial = folder.with_name(f".partial-{folder.name}")
        try:
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
            _write(partial, cases, regions, how, show)
            partial.rename(folder)
        except OSError as error:
            elsewhere = "free space, set LUNGSEG_CACHE to a folder elsewhere, or use data.pack=false"
            raise refusal(folder, error, elsewhere, "the pack ") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _map(folder)


def _write(folder: Path, cases: Sequence[Case], regions: Sequence[str], how: Preprocessor, show: bool) -> None:
    number = len(cases)
    for_images, for_masks = np.sum([(0, 0), *(how.least_bytes(case, regions) for case in cases)], axis=0).tolist()
    needed = for_images + for_masks
    folder.parent.mkdir(parents=True, exist_ok=True)
    size = f", {needed / 2**20:.1f} MiB," if needed else ""
    log.info("packing %s%s into %s", plural(number, "case"), size, folder.parent)
    if needed > shutil.disk_usage(folder.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    folder.mkdir()
    areas, checks = np.zeros((number, len(regions)), np.int64), np.zeros(number, np.uint32)
    with (
        create_array_file(folder / "images.npy", for_images) as images,
        create_array_file(folder / "masks.npy", for_masks) as masks,
        create_array_file(folder / "points.npy") as points,
        contextlib.closing(_decode(cases, regions, how)) as decoded,
    ):
        for row, one in enumerate(tqdm(decoded, "reading", number, leave=False, disable=None if show else True)):
            image, mask, places, areas[row], checks[row] = one
            images.append(image)
            masks.append(mask)
            points.append(places)
    np.save(folder / "areas.npy", areas)
    np.save(folder / "checks.npy", checks)
    (folder / "cases.json").write_text(json.dumps([case.id for case in cases]))
    (folder / "index.crc").write_text(str(_check_index(folder)))


def _decode(cases: Sequence[Case], regions: Sequence[str], how: Preprocessor) -> Generator[_Decoded]:
    """Decodes cases side by side and gives them in order; only a few wait in memory, where volumes would fill it."""

    def decode(case: Case) -> _Decoded:
        image, masks = (np.asarray(array, order="C") for array in how.case(case, regions))
        if masks.dtype != np.bool_ or len(masks) != len(regions):
            raise TypeError(f"{len(masks)} masks of {masks.dtype}; expected {len(regions)} of bool")
        points = region_points(masks)
        return image, masks, points, [int(np.count_nonzero(mask)) for mask in masks], _check(image, masks, points)

    waiting: deque[Future[_Decoded]] = deque()
    with ThreadPoolExecutor(cores()) as pool:
        try:
            for case in cases:
                waiting.append(pool.submit(decode, case))
                if len(waiting) == 2 * cores():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _map(folder: Path) -> Pack:
    ids = parse_json(read_plain_file(folder / "cases.json"))
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise ValueError("cases.json is no list of ids")
    return Pack(
        folder,
        MappedArrays(folder / "images.npy"),
        MappedArrays(folder / "masks.npy"),
        MappedArrays(folder / "points.npy"),
        np.load(folder / "areas.npy", allow_pickle=False),
        {id: row for row, id in enumerate(ids)},
    )


def _checked(folder: Path, number: int) -> Pack:
    """Maps a pack; ValueError where its index differs from what was written, or the arrays of some cases do."""
    if str(_check_index(folder)).encode() != read_plain_file(folder / "index.crc"):
        raise ValueError("the index differs")
    pack = _map(folder)
    checks = np.load(folder / "checks.npy", allow_pickle=False)
    lengths = [len(part) for part in (pack.images, pack.masks, pack.points, pack.areas, pack.rows, checks)]
    if lengths != [number] * len(lengths):
        raise ValueError("the lengths differ")
    large = (pack.images.nbytes + pack.masks.nbytes) // max(number, 1)
    sampled = min(number, SAMPLED, max(SAMPLED_BYTES // max(large, 1), 2))
    for row in np.linspace(0, number - 1, sampled).astype(int):
        if _check(pack.images[row], pack.masks[row], pack.points[row]) != checks[row]:
            raise ValueError("the pixels differ")
    return pack


def _check(image: NDArray[Any], masks: Mask, points: NDArray[np.int64]) -> int:
    return zlib.crc32(points.data, zlib.crc32(masks.data, zlib.crc32(image.data)))


def _check_index(folder: Path) -> int:
    check = 0
    for name in INDEX:
        check = zlib.crc32(read_plain_file(folder / name), check)
    return check


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time; the lock falls with its process."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".lock-{folder.name}").open("w")
    except OSError as error:
        raise DataError(
            f"{folder.parent}: packs cannot be kept there ({error.strerror}); set LUNGSEG_CACHE to a folder that "
            "can be written, or use data.pack=false"
        ) from None
    with lock:
        lock_patiently(lock.fileno())
        yield
