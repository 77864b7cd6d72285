"""Tells which images weights have seen: none of them says anything of how well the weights do on new ones."""

from collections.abc import Iterable
from pathlib import Path

from lungseg.core.plural import plural
from lungseg.data.case import SPLITS, Case, checksum
from lungseg.data.saved_splits import read_saved


def trained_images(path: Path) -> set[str]:
    """Returns what the images are that weights were trained, not only selected, on; as ``checksum`` says it."""
    return set(read_saved(path)["train"].values())


def seen_images(path: Path) -> set[str]:
    """Returns what the images are that weights were trained or chosen on, as ``checksum`` says it."""
    saved = read_saved(path)
    return {*saved["train"].values(), *saved["val"].values()}


def seen_ids(path: Path) -> set[str]:
    """Returns the ids of the cases that weights were trained or chosen on."""
    saved = read_saved(path)
    return {*saved["train"], *saved["val"]}


def among(cases: Iterable[Case], images: set[str]) -> list[Case]:
    """Returns the cases whose image, byte for byte, is one of ``images``."""
    return [case for case in cases if checksum(case.image) in images]


def copies_across(path: Path) -> str | None:
    """Returns a sentence on images that are on two sides of the saved splits byte for byte; None for none."""
    owner: dict[str, tuple[str, str]] = {}
    found = []
    saved = read_saved(path)
    for name in reversed(SPLITS):
        for id, what in saved[name].items():
            seen, first = owner.setdefault(what, (name, id))
            if seen != name:
                found.append(f"{id} ({name}) and {first} ({seen})")
    if not found:
        return None
    return (
        f"{plural(len(found), 'image stands', 'images stand')} on two sides of the split, byte for byte, "
        f"first {found[0]}: scores flatter; data.drop_leaks=true leaves them out of training"
    )
