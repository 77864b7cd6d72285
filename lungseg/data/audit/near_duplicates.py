"""Which images are copies of one another: the same pixels, or rescaled, recompressed, brightened, slightly cropped."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from lungseg.core.cpu_count import cores

Floats = NDArray[np.float32]
DETAIL, ROUGH = 64, 12  # pixels a side of the picture that decides, and of those that say who is worth comparing
# 128ths that the rough pictures lack at the top, the bottom, the left and the right
TRIMS = ((0, 0, 0, 0), (5, 5, 5, 5), (5, 0, 0, 0), (0, 5, 0, 0), (0, 0, 5, 0), (0, 0, 0, 5))
NEIGHBOURS, LISTED, AXES, CHUNK = 6, 20, 24, 256
ROUGHLY, HOPEFUL = 0.94, 0.65  # least correlation of rough pictures, and of details before the last fitting
SAME_FRAME, CROPPED = 0.87, 0.935  # least correlation of details after it, where no edge has moved and where one has
MOVED, FARTHEST = 0.01, 0.08  # shares of the side: an edge has moved by more, and may have moved by as much
RIM = 0.05  # share of the side that is not compared: an edge changes what is seen beside it


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An image in 3 KB; its brightness, contrast, size and shape are gone.

    ``digest`` says which pixels they are. ``rough`` holds 6 x 12 x 12 numbers of 8 bits, of the whole image and of what
    is left without one edge or all; ``detail`` 64 x 64 numbers of 4 bits. A flat image has neither.
    """

    digest: bytes
    rough: bytes
    detail: bytes

    @property
    def flat(self) -> bool:
        """Nothing is to be seen: one grey, a smooth gradient, or noise of a grey level or so."""
        return not self.detail


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """``first`` < ``second``: places in the list that was searched. ``likeness``: at most 1, the same pixels."""

    first: int
    second: int
    kind: Literal["identical", "near"]
    likeness: float


def describe(image: NDArray[np.uint8]) -> Descriptor:
    """[H, W] of any size from 1 x 1; the whole frame is stretched to a square."""
    digest = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).digest()
    base = _resized(image.astype(np.float32), 2 * DETAIL)
    detail = _resized(base, DETAIL)
    if (detail - cv2.GaussianBlur(detail, (0, 0), 2)).std() < max(0.5, 0.03 * detail.std()):
        return Descriptor(digest, b"", b"")
    views = [base[top : len(base) - bottom, left : len(base) - right] for top, bottom, left, right in TRIMS]
    rough = np.stack([_resized(_contrast(_resized(view, 48), 6), ROUGH) for view in views]) * 32
    levels = (np.rint(_contrast(detail, 2) * 2.5).clip(-8, 7) + 8).astype(np.uint8).ravel()
    packed = levels[::2] * 16 + levels[1::2]
    return Descriptor(digest, np.rint(rough).clip(-127, 127).astype(np.int8).tobytes(), packed.tobytes())


def _resized(plane: Floats, side: int) -> Floats:
    how = cv2.INTER_AREA if min(plane.shape) >= side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, (side, side), interpolation=how), np.float32)


def _contrast(plane: Floats, sigma: float) -> Floats:
    """What is finer than ``sigma`` pixels, everywhere about as strong."""
    fine = plane - cv2.GaussianBlur(plane, (0, 0), sigma)
    strength = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 1.5 * sigma)) + 0.1 * plane.std() + 1e-3
    even = fine / strength
    return np.asarray((even - even.mean()) / (even.std() + 1e-6), np.float32)


def find_twins(descriptors: Sequence[Descriptor]) -> list[NearDuplicate]:
    """Each pair once, the identical first, then the likest; the order of ``descriptors`` does not change which.

    A flat image is nobody's twin. Of equal images each is paired with the first 20, and each other image is compared
    with the 6 nearest. Turned, mirrored and inverted copies and those that lost over a twentieth of a side are missed.
    """
    equal: dict[bytes, list[int]] = defaultdict(list)
    for index, descriptor in enumerate(descriptors):
        if not descriptor.flat:
            equal[descriptor.digest].append(index)
    groups = [equal[digest] for digest in sorted(equal)]
    same = [(a, b) for group in groups for n, a in enumerate(group[:LISTED]) for b in group[n + 1 :]]
    twins = [NearDuplicate(a, b, "identical", 1.0) for a, b in same]
    for one, other, likeness in _near([descriptors[group[0]] for group in groups]):
        for pair in product(groups[one][:LISTED], groups[other][:LISTED]):
            twins.append(NearDuplicate(min(pair), max(pair), "near", likeness))
    return sorted(twins, key=lambda twin: (twin.kind, -twin.likeness, twin.first, twin.second))


def _near(descriptors: Sequence[Descriptor]) -> Iterator[tuple[int, int, float]]:
    """(first, second, likeness) of the near pairs."""
    if len(descriptors) < 2:
        return
    packed = np.frombuffer(b"".join(each.rough for each in descriptors), np.int8)
    rough = packed.reshape(len(descriptors), len(TRIMS), ROUGH**2).astype(np.float32)
    rough /= np.linalg.norm(rough, axis=2, keepdims=True) + 1e-6
    found = _candidates(rough)
    chunks = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]

    def compare(chunk: NDArray[np.intp]) -> tuple[Floats, Floats]:
        moving, fixed = (_details([descriptors[index] for index in column]) for column in chunk.T[:2])
        top, bottom, left, right = np.array(TRIMS, np.float32)[chunk[:, 2]].T / (2 * DETAIL)
        start = np.stack([1 - left - right, 1 - top - bottom, (left - right) / 2, (top - bottom) / 2], axis=1)
        return _compare(fixed, moving, start)

    with ThreadPoolExecutor(cores()) as pool:
        for chunk, (likeness, moved) in zip(chunks, pool.map(compare, chunks), strict=True):
            near = (moved <= FARTHEST) & (likeness >= np.where(moved <= MOVED, SAME_FRAME, CROPPED))
            for (one, other, _), value in zip(chunk[near].tolist(), likeness[near].tolist(), strict=True):
                yield one, other, min(round(value, 4), 1.0)


def _candidates(rough: Floats) -> NDArray[np.intp]:
    """[N, views, K] -> [M, 3]: whose view is roughly the whole of whom, and which view; a pair once, by its best."""
    whole = rough[:, 0] - rough[:, 0].mean(axis=0)
    axes = np.linalg.eigh(whole.T @ whole)[1][:, -AXES:]
    tree = cKDTree(rough[:, 0] @ axes)
    parts, reach = [], np.sqrt(2 - 2 * ROUGHLY)
    for start, view in product(range(0, len(rough), CHUNK), range(len(TRIMS))):
        asking = rough[start : start + CHUNK, view]
        found = tree.query(asking @ axes, NEIGHBOURS + 1, distance_upper_bound=reach, workers=-1)[1]
        row, place = np.nonzero((found < len(rough)) & (found != np.arange(len(asking))[:, None] + start))
        other = found[row, place]
        alike = np.einsum("nk,nk->n", asking[row], rough[other, 0])
        parts.append(np.stack([row + start, other, np.full(len(row), view), alike], axis=1)[alike >= ROUGHLY])
    every = np.concatenate(parts)
    every = every[np.argsort(-every[:, 3], kind="stable"), :3].astype(np.intp)
    return np.asarray(every[np.unique(np.sort(every[:, :2], axis=1), axis=0, return_index=True)[1]])


def _details(descriptors: Sequence[Descriptor]) -> Floats:
    """[N, 64, 64]."""
    packed = np.frombuffer(b"".join(each.detail for each in descriptors), np.uint8)
    levels = np.stack([packed >> 4, packed & 15], axis=1).reshape(-1, DETAIL, DETAIL)
    return (levels.astype(np.float32) - 8) / np.float32(2.5)


def _compare(fixed: Floats, moving: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Correlation [N] once each lies on its other, from ``start``; and by what share of the side [N] an edge moved."""
    halves = [plane.reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4)) for plane in (fixed, moving)]
    soft = [gaussian_filter(half, (0, 1, 1), truncate=2) for half in halves]
    fit = _lay_over(soft[0], soft[1], start, 3)
    wider = fit[:, :2].sum(axis=1) >= 2  # a picture that shrinks onto another loses nothing, a stretched one does
    fit = np.where(wider[:, None], fit, np.concatenate([1 / fit[:, :2], -fit[:, 2:] / fit[:, :2]], axis=1))
    fixed, moving = (np.where(wider[:, None, None], *pair) for pair in ((fixed, moving), (moving, fixed)))
    likeness = _correlation(fixed, moving, fit)
    if len(best := np.flatnonzero(likeness >= HOPEFUL)):
        fit[best] = _lay_over(fixed[best], moving[best], fit[best], 9)
        likeness[best] = _correlation(fixed[best], moving[best], fit[best])
    return likeness, (np.abs(fit[:, :2] - 1) / 2 + np.abs(fit[:, 2:])).max(axis=1)


def _lay_over(fixed: Floats, moving: Floats, fit: Floats, steps: int) -> Floats:
    """Scales and shifts along x and y, in sides from the centre, better than ``fit`` [N, 4]: Gauss-Newton."""
    side = fixed.shape[-1]
    at = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    down, right = np.gradient(fixed, 1 / side, axis=(1, 2))
    slopes = np.stack([right * at, down * at[:, None], right, down], axis=1).reshape(len(fixed), 4, -1)
    normal = slopes @ slopes.swapaxes(1, 2) + np.eye(4, dtype=np.float32)
    for _ in range(steps):
        laid, there = _laid(moving, fit)
        downhill = slopes @ ((laid - fixed) * there).reshape(len(fixed), -1, 1)
        step = np.linalg.solve(normal, downhill)[..., 0].clip(-0.05, 0.05)
        scale = (fit[:, :2] / (1 + step[:, :2])).clip(0.8, 1.25)
        fit = np.concatenate([scale, (fit[:, 2:] - scale * step[:, 2:]).clip(-0.2, 0.2)], axis=1)
    return fit


def _laid(moving: Floats, fit: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """``moving`` [N, S, S] as seen from the fixed frame, interpolated linearly, and where neither has an edge near."""
    side = moving.shape[-1]
    at = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    source = at * fit[:, :2, None] + fit[:, 2:, None]
    weights = (1 - side * np.abs(source[..., None] - at)).clip(0)
    inside = (np.abs(source) < 0.5 - RIM) & (np.abs(at) < 0.5 - RIM)
    return weights[:, 1] @ moving @ weights[:, 0].swapaxes(1, 2), inside[:, 1, :, None] & inside[:, 0, None]


def _correlation(fixed: Floats, moving: Floats, fit: Floats) -> Floats:
    """[N], over the pixels that both have."""
    laid, there = _laid(moving, fit)
    number = there.sum(axis=(1, 2), keepdims=True)
    one, other = ((plane - (plane * there).sum(axis=(1, 2), keepdims=True) / number) * there for plane in (fixed, laid))
    together, first, second = ((a * b).sum(axis=(1, 2)) for a, b in ((one, other), (one, one), (other, other)))
    return np.asarray(together / np.sqrt(first * second + 1e-6), np.float32)
