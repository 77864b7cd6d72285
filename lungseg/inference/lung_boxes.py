"""Finds the lungs by the prediction of another run: what ``data.crop=`` cuts images to. Never by a reference."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.core.atomic_io import write_atomically
from lungseg.core.cached_json import read_cached
from lungseg.core.file_hashes import file_hash
from lungseg.core.plural import plural
from lungseg.core.run_directory import Run
from lungseg.data.boxes import AnyBox, box_of, numbers_of
from lungseg.data.cache_dir import cache_folder, key
from lungseg.data.case import Case
from lungseg.data.preprocessing import Box
from lungseg.data.volumes.box import VolumeBox
from lungseg.inference.load_run import rebuild
from lungseg.inference.trained_predictor import trained_predictor

log = logging.getLogger("lungseg")

MARGIN = 0.05  # of the lungs' height and width, on each side
LEAST = 0.05  # of the image: a smaller find is no pair of lungs, and the whole image is kept
LEAST_OF_VOLUME = 0.01  # of a scan, which holds more air around the patient
OTHER = 0.05  # of the larger lung: a smaller part beside it is a speck


def lung_boxes(cropper: Run, cases: Sequence[Case], accelerator: str, show: bool = True) -> dict[str, AnyBox]:
    """Case id -> box around the lungs; kept, so that the same net and cases are not asked again."""
    weights = file_hash(cropper.best) if cropper.best.is_file() else ""
    kept = cache_folder() / f"boxes-{key(cases, (), weights)}.json"
    known = read_cached(kept, lambda content: {case.id: box_of(content[case.id]) for case in cases})
    if known is not None:
        return known
    trained = rebuild(cropper, cropper.config())
    log.info("looking for the lungs of %s with %s", plural(len(cases), "case"), cropper.path)
    found = replace(trained_predictor(trained, accelerator), regions=[])(cases, show)
    regions = trained.module.task.regions
    lungs = [regions.names.index(organ) for organ in regions.organs]
    boxes = {one.case_id: around(np.logical_or.reduce(one.mask(0.5)[lungs])) for _, one in found}
    write_atomically(kept, json.dumps({id: numbers_of(box) for id, box in boxes.items()}))
    return boxes


def around(lung: Mask) -> AnyBox:
    """Returns the box around the two largest parts of [H, W] or [Z, Y, X], with a margin; the whole if too small."""
    limits = _limits(lung) or [(0, side) for side in lung.shape]
    if lung.ndim == 3:
        (z, y, x), (back, bottom, right) = zip(*limits, strict=True)
        return VolumeBox((z, y, x), (back, bottom, right))
    (top, bottom), (left, right) = limits
    return Box(top, left, bottom - top, right - left)


def _limits(lung: Mask) -> list[tuple[int, int]] | None:
    """Returns the first voxel and the one after the last along each axis; None where there are no lungs."""
    labels, sizes = _parts(lung)
    parts = sorted(range(1, len(sizes)), key=lambda part: -sizes[part])[:2]
    parts = [part for part in parts if sizes[part] > OTHER * sizes[parts[0]]]
    mask = np.isin(labels, parts)
    if not parts or mask.mean() < (LEAST if lung.ndim == 2 else LEAST_OF_VOLUME):
        return None
    axes = range(lung.ndim)
    places = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    return [_widened(place[0], place[-1] + 1, side) for place, side in zip(places, lung.shape, strict=True)]


def _parts(lung: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Returns the connected parts, numbered from 1, and how large each is."""
    if lung.ndim == 2:
        _, labels, stats, _ = cv2.connectedComponentsWithStats(lung.astype(np.uint8))
        return np.asarray(labels, np.int32), np.asarray(stats[:, cv2.CC_STAT_AREA], np.int64)
    from scipy import ndimage

    labelled, _ = ndimage.label(lung)
    return np.asarray(labelled, np.int32), np.bincount(labelled.ravel())


def _widened(first: int, last: int, end: int) -> tuple[int, int]:
    margin = round(MARGIN * (last - first))
    return max(int(first) - margin, 0), min(int(last) + margin, end)
