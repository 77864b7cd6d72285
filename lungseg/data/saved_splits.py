"""Writes and reads ``splits.json``: which case of a run is on which side."""

import json
from collections.abc import Sequence
from pathlib import Path

from lungseg.core.atomic_io import write_atomically
from lungseg.core.errors import DataError
from lungseg.core.plural import plural
from lungseg.core.security.safe_json import read_json
from lungseg.data.case import SPLITS, Case, checksum
from lungseg.data.splits import Splits, require_disjoint


def save_splits(splits: Splits, path: Path) -> None:
    """Writes ``{"train": {case id: what its image is}, "val": ..., "test": ...}``."""
    content = {name: {case.id: checksum(case.image) for case in cases} for name, cases in splits.items()}
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def load_splits(cases: Sequence[Case], path: Path) -> Splits:
    """Restores the saved splits, over the same data; a case that has gone is an error."""
    by_id = {case.id: case for case in cases}
    saved = read_saved(path)
    gone = [id for ids in saved.values() for id in ids if id not in by_id]
    if gone:
        raise DataError(
            f"{path}: names case {gone[0]!r}, which the data no longer has ({plural(len(gone), 'such case')}); "
            "bring back the data as it was, or judge on it as another data set (data=...)"
        )
    empty = [name for name, ids in saved.items() if not ids]
    if empty:
        raise DataError(f"{path}: {empty[0]} has no case; every side needs at least one: restore it or split anew")
    splits = {name: [by_id[id] for id in ids] for name, ids in saved.items()}
    require_disjoint(splits)
    return splits


def read_saved(path: Path) -> dict[str, dict[str, str]]:
    content = read_json(path, "expected splits as splits.json holds them")
    if not isinstance(content, dict) or set(content) != set(SPLITS):
        raise DataError(f"{path}: expected train, val and test, each with the ids of its cases")
    for name, side in content.items():
        if not isinstance(side, dict) or not all(isinstance(image, str) for image in side.values()):
            raise DataError(
                f"{path}: {name}: expected case ids, each with what its image is, as splits.json holds them"
            )
    return content
