"""Tells which images weights have seen: none of them says anything of how well the weights do on new ones.

An image is known by its bytes, whatever its file is called; see ``lungseg.data.case.checksum``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lungseg.core.plural import plural
from lungseg.data.case import SPLITS, Case, checksum, short_checksum
from lungseg.data.saved_splits import read_saved


@dataclass(frozen=True)
class SeenImages:
    """Holds what weights were trained on and chosen by: case id -> what its image is."""

    train: dict[str, str]
    val: dict[str, str]

    @property
    def images(self) -> set[str]:
        """Returns what the images are that the weights were trained or chosen on."""
        return {*self.train.values(), *self.val.values()}

    def trained_on(self, cases: Iterable[Case]) -> list[Case]:
        """Returns the cases that the weights were trained on, not only chosen by."""
        images = set(self.train.values())
        return [case for case in cases if checksum(case.image) in images]

    def among(self, cases: Iterable[Case]) -> list[Case]:
        """Returns the cases that the weights were trained or chosen on."""
        images = self.images
        return [case for case in cases if checksum(case.image) in images]

    def named_alike(self, cases: Iterable[Case]) -> list[Case]:
        """Returns the cases that are called as one that was trained or chosen on, whatever their images are."""
        return [case for case in cases if case.id in self.train or case.id in self.val]

    def in_table(self, ids: Sequence[str], images: Sequence[str]) -> set[str]:
        """Returns the ids of a table's cases that the weights were trained or chosen on; ``images`` are shortened."""
        seen = {short_checksum(what) for what in self.images}
        return {id for id, image in zip(ids, images, strict=True) if image in seen}


def seen_images(path: Path) -> SeenImages:
    """Reads a run's splits."""
    saved = read_saved(path)
    return SeenImages(saved["train"], saved["val"])


def without_seen(cases: Sequence[Case], seen: SeenImages) -> tuple[list[Case], list[str]]:
    """Returns the cases that may be judged, and what is to be told of the others and of those that may be copies."""
    left_out = {case.id for case in seen.among(cases)}
    unseen = [case for case in cases if case.id not in left_out]
    told = []
    if left_out:
        told.append(f"{len(left_out)} of {plural(len(cases), 'case')} left out: the run was trained on these images")
    if alike := seen.named_alike(unseen):
        told.append(
            f"{len(alike)} of these cases have the name of a training case but other bytes: if they are the same films "
            "saved anew, this is no external validation (lungseg data audit finds such copies)"
        )
    return unseen, told


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
