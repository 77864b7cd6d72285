"""Every case decoded once, at the size that the net sees, in arrays on disk that all processes of a machine map."""

import contextlib
import errno
import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lungseg.core.arrays import Gray, Mask
from lungseg.core.cpu_count import cores
from lungseg.core.errors import DataError
from lungseg.core.locks import lock_patiently
from lungseg.core.plural import plural
from lungseg.core.security.safe_json import parse_json, read_plain_file
from lungseg.core.write_errors import refusal
from lungseg.data.cache_dir import cache_folder, key
from lungseg.data.case import Case
from lungseg.data.preprocessing import Preprocessing

log = logging.getLogger("lungseg")

VERSION = 1  # of what the pixels are and how they lie; a change makes every older pack unused
SAMPLED = 16  # cases whose pixels are compared with their checksums on opening


@dataclass(frozen=True)
class Pack:
    """Images [N, S, S] uint8, masks [N, K, S, S] bool, each region's area [N, K] in pixels, and each case's row."""

    folder: Path
    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    areas: NDArray[np.int64]
    rows: dict[str, int]

    def __reduce__(self) -> tuple[object, ...]:
        """Another process maps the files again; no pixel is sent."""
        return _map, (self.folder,)

    def case(self, id: str) -> tuple[Gray, Mask]:
        row = self.rows[id]
        return self.images[row], self.masks[row]


def open_pack(cases: Sequence[Case], regions: Sequence[str], how: Preprocessing, show: bool = True) -> Pack:
    """The pack of just these files with just this preprocessing; made where there is none, by one process at a time."""
    boxes = [how.boxes.get(case.id) for case in cases]
    folder = cache_folder() / key(cases, regions, VERSION, how.size, how.clahe, how.aspect, boxes)
    with _alone(folder):
        if folder.is_dir():
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, EOFError):
                return _checked(_map(folder), len(cases))
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


def _write(folder: Path, cases: Sequence[Case], regions: Sequence[str], how: Preprocessing, show: bool) -> None:
    number, size = len(cases), how.size
    needed = number * size**2 * (1 + len(regions))
    folder.parent.mkdir(parents=True, exist_ok=True)
    log.info("packing %s, %.1f MiB, into %s", plural(number, "case"), needed / 2**20, folder.parent)
    if needed > shutil.disk_usage(folder.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    folder.mkdir()
    images = _reserve(folder / "images.npy", (number, size, size), np.uint8)
    masks = _reserve(folder / "masks.npy", (number, len(regions), size, size), np.bool_)
    checks = np.zeros(number, np.uint32)

    def fill(row: int) -> None:
        images[row], masks[row] = how.case(cases[row], regions)
        checks[row] = _check(images[row], masks[row])

    with ThreadPoolExecutor(cores()) as pool:
        done = pool.map(fill, range(number))
        for _ in tqdm(done, "reading", number, leave=False, disable=None if show else True):
            pass
    np.save(folder / "areas.npy", np.stack([masks[row].sum((1, 2)) for row in range(number)]))
    np.save(folder / "checks.npy", checks)
    (folder / "cases.json").write_text(json.dumps([case.id for case in cases]))
    for array in (images, masks):
        array.flush()


def _reserve(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> Any:
    """An array on disk whose space is taken at once: a disk that fills up later would kill the process."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _map(folder: Path) -> Pack:
    ids = parse_json(read_plain_file(folder / "cases.json"))
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise ValueError("cases.json is no list of ids")
    return Pack(
        folder,
        np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False),
        np.load(folder / "masks.npy", mmap_mode="r", allow_pickle=False),
        np.load(folder / "areas.npy", allow_pickle=False),
        {id: row for row, id in enumerate(ids)},
    )


def _checked(pack: Pack, number: int) -> Pack:
    """ValueError where shapes differ from what was written, or the pixels of some cases do."""
    checks = np.load(pack.folder / "checks.npy", allow_pickle=False)
    if not len(pack.images) == len(pack.masks) == len(pack.areas) == len(pack.rows) == len(checks) == number:
        raise ValueError("the lengths differ")
    for row in np.linspace(0, number - 1, min(SAMPLED, number)).astype(int):
        if _check(pack.images[row], pack.masks[row]) != checks[row]:
            raise ValueError("the pixels differ")
    return pack


def _check(image: Gray, masks: Mask) -> int:
    return zlib.crc32(masks.tobytes(), zlib.crc32(image.tobytes()))


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
