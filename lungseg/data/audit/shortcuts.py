"""Whether the class can be told without looking at the chest: from the file, the image's size, its border alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lungseg.data.sources.mask_matching import ending

LEVEL = 0.05  # how often one shortcut or more may be reported where there is none
FOLDS, PERMUTATIONS, BINS = 5, 199, 16
FRAME = 4  # of 64 pixels on each side are border
UNITS = {"aspect ratio": "{:.2f}", "file bytes": "{:,.0f} bytes", "border": "mean grey {:.2f} of 1"}

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Traits:
    """What an image file shows to one who does not look at the chest.

    ``width`` and ``height`` in pixels; ``mode`` as Pillow names it (L, RGB, I;16) or a DICOM's photometric
    interpretation; ``bits`` of a grey value; ``bytes`` of the file. ``border`` holds grey levels from 0 to 1: mean and
    standard deviation in three parts of the top, the bottom, the left and the right side of the frame.
    """

    width: int
    height: int
    ending: str
    mode: str
    bits: int
    bytes: int
    border: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How well one family of traits tells the class of patients that it was not fitted on.

    ``accuracy`` is balanced over the classes, ``chance`` what guessing gets. ``p``: how often shuffled classes make any
    family stand out as much. ``typical``: class -> its commonest value with its share, or the median of numbers.
    """

    family: str
    accuracy: float
    chance: float
    p: float
    typical: Mapping[str, str]

    @property
    def found(self) -> bool:
        """More than noise."""
        return self.p <= LEVEL


def traits(image: NDArray[np.uint8], path: Path | None) -> Traits:
    """Of a decoded image [H, W] and its file; a computed image has no file: no ending, no mode, 0 bits, 0 bytes."""
    small = cv2.resize(image.astype(np.float32) / 255, (64, 64), interpolation=cv2.INTER_AREA)
    sides = (small[:FRAME], small[-FRAME:], small[:, :FRAME].T, small[:, -FRAME:].T)
    parts = [part for side in sides for part in np.array_split(side, 3, axis=1)]
    border = tuple(round(float(number), 4) for part in parts for number in (part.mean(), part.std()))
    height, width = image.shape
    if path is None:
        return Traits(width, height, "", "", 0, 0, border)
    return Traits(width, height, ending(path), *_kind(path), path.stat().st_size, border)


def _kind(path: Path) -> tuple[str, int]:
    """Colour mode and bits of a grey value, from the head of the file; of NIfTI and what cannot be read: "", 0."""
    if ending(path) in (".dcm", ".dicom"):
        import pydicom  # a second's import, for those who have such files

        head = pydicom.dcmread(path, stop_before_pixels=True)
        return str(head.get("PhotometricInterpretation", "")), int(head.get("BitsStored", 0))
    try:
        with Image.open(path) as file:
            return file.mode, {"1": 1, "I": 32, "F": 32}.get(file.mode, 16 if "16" in file.mode else 8)
    except (UnidentifiedImageError, OSError):
        return "", 0


def find_shortcuts(
    traits: Sequence[Traits], labels: Sequence[str], patients: Sequence[str], *, seed: int = 0
) -> list[Shortcut]:
    """Every family that varies, the most telling first; ask each whether it is ``found``.

    A patient's images are kept together, in the folds and when classes are shuffled. Classes of fewer than five
    patients are left out; where fewer than two are left there is nothing to tell apart.
    """
    of_class = Counter(label for _, label in set(zip(patients, labels, strict=True)))
    rows = [row for row, label in enumerate(labels) if of_class[label] >= FOLDS]
    names, truth = np.unique([labels[row] for row in rows], return_inverse=True)
    values = {family: shown for family, shown in _values([traits[row] for row in rows]).items() if len(set(shown)) > 1}
    if len(names) < 2 or not values:
        return []
    rng = np.random.default_rng(seed)
    owner = np.unique([patients[row] for row in rows], return_inverse=True)[1]
    fold = (rng.permutation(owner.max() + 1) % FOLDS)[owner]
    classes = np.stack([truth, *(_shuffled(truth, owner, rng) for _ in range(PERMUTATIONS))])
    features = _features([traits[row] for row in rows])
    scores = np.array([_accuracies(features[family], classes, fold) for family in values])
    unusual = (scores - scores.mean(axis=1, keepdims=True)) / (scores.std(axis=1, keepdims=True) + 1e-9)
    p = (unusual.max(axis=0) >= unusual[:, :1] - 1e-6).mean(axis=1)
    found = []
    for n, family in enumerate(values):
        typical = _typical(family, values[family], truth, names)
        found.append(Shortcut(family, float(scores[n, 0]), 1 / len(names), float(p[n]), typical))
    return sorted(found, key=lambda shortcut: -shortcut.accuracy)


def _values(traits: Sequence[Traits]) -> dict[str, list[Any]]:
    """Family -> what a reader is shown of each image."""
    return {
        "image size": [f"{t.width}x{t.height}" for t in traits],
        "aspect ratio": [round(t.width / t.height, 3) for t in traits],
        "file type": [t.ending for t in traits],
        "colour mode": [t.mode for t in traits],
        "bits": [f"{t.bits} bits" for t in traits],
        "file bytes": [float(t.bytes) for t in traits],
        "border": [float(np.mean(t.border[::2])) for t in traits],
    }


def _features(traits: Sequence[Traits]) -> dict[str, Floats]:
    """Family -> [N, D]: which bin a value is in; of the border its numbers and their squares."""
    width, height, size = np.array([(t.width, t.height, t.bytes) for t in traits], np.float64).T
    border = _standardised(np.array([t.border for t in traits], np.float64))
    return {
        "image size": np.hstack([_bins(width), _bins(height)]),
        "aspect ratio": _bins(width / height),
        "file type": _bins(np.array([t.ending for t in traits])),
        "colour mode": _bins(np.array([t.mode for t in traits])),
        "bits": _bins(np.array([t.bits for t in traits])),
        "file bytes": np.hstack([_bins(size), _bins(size / (width * height))]),
        "border": np.hstack([border, _standardised(border**2)]),
    }


def _standardised(columns: Floats) -> Floats:
    return np.asarray((columns - columns.mean(axis=0)) / (columns.std(axis=0) + 1e-9))


def _bins(values: NDArray[Any]) -> Floats:
    """[N] -> [N, bins] of 0 and 1: one for each value; where there are many values, of about equal numbers."""
    known, place = np.unique(values, return_inverse=True)
    if len(known) > BINS and values.dtype.kind == "f":
        edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
        place = np.searchsorted(edges, values, side="right")
    return np.asarray(np.eye(place.max() + 1)[place])


def _shuffled(truth: Labels, owner: Labels, rng: np.random.Generator) -> Labels:
    """Classes dealt anew to patients; what a patient has of one class stays together."""
    first, block = np.unique(np.stack([owner, truth]), axis=1, return_index=True, return_inverse=True)[1:]
    return np.asarray(rng.permutation(truth[first])[block.ravel()])


def _accuracies(features: Floats, classes: NDArray[np.intp], fold: Labels) -> Floats:
    """Balanced accuracy [G] of ridge regression across the folds, for each of the ``classes`` [G, N]."""
    numbers = np.arange(classes.max() + 1)
    told = np.empty_like(classes)
    for part in np.unique(fold):
        train, test = fold != part, fold == part
        centre = features[train].mean(axis=0)
        known, asked = features[train] - centre, features[test] - centre
        solved = np.linalg.solve(known.T @ known + np.eye(known.shape[1]), known.T)
        for guess, truth in zip(told, classes, strict=True):
            one_hot = (truth[train, None] == numbers).astype(np.float64)
            share = one_hot.mean(axis=0) + 1e-9
            guess[test] = np.argmax((asked @ (solved @ one_hot)) / share, axis=1)
    hits = [np.bincount(truth, guess == truth) / np.bincount(truth) for guess, truth in zip(told, classes, strict=True)]
    return np.asarray(np.mean(hits, axis=1))


def _typical(family: str, shown: list[Any], truth: Labels, names: NDArray[np.str_]) -> dict[str, str]:
    typical = {}
    for number, name in enumerate(names.tolist()):
        own = [value for value, label in zip(shown, truth, strict=True) if label == number]
        value, times = Counter(own).most_common(1)[0]
        numeric = family in UNITS
        typical[name] = UNITS[family].format(np.median(own)) if numeric else f"{value} ({times / len(own):.0%})"
    return typical
