"""Images that stand on two sides of a split, as copies of one another."""

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from lungseg.core.arrays import Gray
from lungseg.core.atomic_io import write_atomically
from lungseg.core.cached_json import read_cached
from lungseg.core.cpu_count import cores
from lungseg.core.security.safe_json import is_kind
from lungseg.data.audit.near_duplicates import Descriptor, describe, find_twins
from lungseg.data.audit.shortcuts import Traits, traits
from lungseg.data.cache_dir import cache_folder, key
from lungseg.data.case import Case, files
from lungseg.data.io import nifti
from lungseg.data.io.image import as_gray, read_image
from lungseg.data.sources.mask_matching import ending
from lungseg.data.splits import Splits

log = logging.getLogger("lungseg")

VERSION = 2  # of what counts as a twin; a change makes what was kept unused


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cases with nearly, or exactly, the same image."""

    first: Case
    second: Case
    kind: str
    likeness: float


def find_pairs(cases: Sequence[Case], descriptors: Sequence[Descriptor] | None = None, show: bool = True) -> list[Pair]:
    """All pairs of twins, the surest first; kept, so that the same files are read but once."""
    by_id = {case.id: case for case in cases}
    kept = cache_folder() / f"twins-{key(cases, (), VERSION)}.json"
    known = read_cached(kept, lambda rows: [_pair(by_id, *row) for row in rows])
    if known is not None:
        return known
    twins = find_twins([look.descriptor for look in look_at(cases, show)] if descriptors is None else descriptors)
    pairs = [Pair(cases[twin.first], cases[twin.second], twin.kind, round(twin.likeness, 4)) for twin in twins]
    write_atomically(kept, json.dumps([(p.first.id, p.second.id, p.kind, p.likeness) for p in pairs]))
    return pairs


def _pair(by_id: Mapping[str, Case], first: str, second: str, kind: str, likeness: float) -> Pair:
    """Returns a pair as it was kept; ValueError where that is damaged."""
    if not isinstance(kind, str) or not is_kind(likeness, float):
        raise ValueError(f"{first!a} and {second!a} are no pair")
    return Pair(by_id[first], by_id[second], kind, likeness)


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of an image that was read once."""

    descriptor: Descriptor
    traits: Traits


def look_at(cases: Sequence[Case], show: bool = True) -> list[Look]:
    """In the cases' order, by all cores."""
    with ProcessPoolExecutor(cores()) as pool:
        found = pool.map(_look, cases, chunksize=32)
        return list(tqdm(found, "comparing", len(cases), leave=False, disable=None if show else True))


def film(case: Case) -> Gray:
    """What is compared: the image, or a volume's middle plane."""
    path = next(iter(files(case.image)), None)
    if path is not None and ending(path) in (".nii", ".nii.gz") and nifti.read_header(path).is_volume:
        volume = nifti.read_volume(path)
        return as_gray(np.ascontiguousarray(volume[:, :, volume.shape[2] // 2].T))
    return read_image(case.image)


def _look(case: Case) -> Look:
    image = film(case)
    return Look(describe(image), traits(image, next(iter(files(case.image)), None)))


def across(pairs: Sequence[Pair], splits: Splits) -> list[tuple[Pair, str, str]]:
    """The pairs whose two images are on different sides, with the sides."""
    side = {case.id: name for name, cases in splits.items() for case in cases}
    found = [(pair, side.get(pair.first.id, ""), side.get(pair.second.id, "")) for pair in pairs]
    return [(pair, one, other) for pair, one, other in found if one and other and one != other]


def without_leaks(splits: Splits, pairs: Sequence[Pair]) -> Splits:
    """Train without the twins of val and test, val without those of test; test stays whole."""
    rank = {"train": 0, "val": 1, "test": 2}
    dropped = {
        (pair.first if rank[one] < rank[other] else pair.second).id for pair, one, other in across(pairs, splits)
    }
    left = {name: [case for case in cases if case.id not in dropped] for name, cases in splits.items()}
    for name in ("train", "val"):
        if number := len(splits[name]) - len(left[name]):
            log.info("data.drop_leaks: %d of %d %s images have a twin on a later side and are left out", number,
                     len(splits[name]), name)  # fmt: skip
    return left
