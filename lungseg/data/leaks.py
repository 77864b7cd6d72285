"""Images that stand on two sides of a split, as copies of one another."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tqdm import tqdm

from lungseg.data.case import Case, fingerprint
from lungseg.data.pack import packs_folder
from lungseg.data.read import read_image
from lungseg.data.split import Splits
from lungseg.data.twins import Descriptor, describe, find_twins
from lungseg.files import write_atomically

log = logging.getLogger("lungseg")

VERSION = 1  # of what counts as a twin; a change makes what was kept unused


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cases with nearly, or exactly, the same image."""

    first: Case
    second: Case
    kind: str
    likeness: float


def find_pairs(cases: Sequence[Case], show: bool = True) -> list[Pair]:
    """All pairs of twins, the surest first; kept, so that the same files are read but once."""
    by_id = {case.id: case for case in cases}
    key = hashlib.sha256(f"{VERSION}{fingerprint(cases)}".encode()).hexdigest()[:24]
    kept = packs_folder() / f"twins-{key}.json"
    if kept.is_file():
        return [
            Pair(by_id[one], by_id[other], kind, likeness)
            for one, other, kind, likeness in json.loads(kept.read_text())
        ]
    twins = find_twins(describe_all(cases, show))
    pairs = [Pair(cases[twin.first], cases[twin.second], twin.kind, round(twin.likeness, 4)) for twin in twins]
    rows = [(pair.first.id, pair.second.id, pair.kind, pair.likeness) for pair in pairs]
    write_atomically(kept, json.dumps(rows))
    return pairs


def describe_all(cases: Sequence[Case], show: bool = True) -> list[Descriptor]:
    """In the cases' order, by all cores."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ProcessPoolExecutor(workers) as pool:
        found = pool.map(_describe, cases, chunksize=32)
        return list(tqdm(found, "comparing", len(cases), leave=False, disable=None if show else True))


def _describe(case: Case) -> Descriptor:
    return describe(read_image(case.image))


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
