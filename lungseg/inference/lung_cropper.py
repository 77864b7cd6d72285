"""Where the lungs are by the prediction of another run: what ``data.crop=`` cuts images to. Never by a reference."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lungseg.core.atomic_io import write_atomically
from lungseg.core.cached_json import read_cached
from lungseg.core.device import device
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import CROP, file_hash, require_as_written
from lungseg.core.plural import plural
from lungseg.core.run_directory import Run, open_run
from lungseg.core.security.safe_json import is_kind
from lungseg.data.cache_dir import cache_folder, key
from lungseg.data.case import Case
from lungseg.data.contamination import seen_images
from lungseg.data.preprocessing import Box
from lungseg.inference.load_run import rebuild
from lungseg.inference.whole_image import Predictor
from lungseg.tasks.build import build_preprocessing
from lungseg.tasks.regions import regions_of

log = logging.getLogger("lungseg")

MARGIN = 0.05  # of the lungs' height and width, on each side
LEAST = 0.05  # of the image: a smaller find is no pair of lungs, and the whole image is kept


def open_cropper(path: str) -> Run:
    """The run that ``data.crop=`` names; it must have learnt lungs, and not be cropped itself."""
    run = open_run(path, "data.crop")
    cfg = run.config()
    if run.manifest_file.exists() or run.path.name != CROP:  # the copy within a run is in that run's manifest
        require_as_written(run.path)
    if not regions_of(cfg.task.options).organs:
        raise UserError(f"data.crop={path}: a run of task={cfg.task.name}; expected one of task=lung")
    if cfg.data.preprocessing.crop:
        raise UserError(f"data.crop={path}: a run that was cropped itself; expected one on whole images")
    return run


def lung_boxes(cropper: Run, cases: Sequence[Case], accelerator: str, show: bool = True) -> dict[str, Box]:
    """Case id -> rectangle around the lungs; kept, so that the same net and cases are not asked again."""
    weights = file_hash(cropper.best) if cropper.best.is_file() else ""
    kept = cache_folder() / f"boxes-{key(cases, (), weights)}.json"
    known = read_cached(kept, lambda content: _boxes(content, cases))
    if known is not None:
        return known
    trained = rebuild(cropper, cropper.config())
    log.info("looking for the lungs of %s with %s", plural(len(cases), "case"), cropper.path)
    task, how = trained.module.task, build_preprocessing(trained.cfg.data.preprocessing)
    found = Predictor(task, trained.module, [], how, device(accelerator))(cases, show)
    regions = task.regions
    lung = regions.names.index(regions.organs[0])
    boxes = {prediction.case_id: around(prediction.mask(0.5)[lung]) for _, prediction in found}
    write_atomically(kept, json.dumps({id: astuple(box) for id, box in boxes.items()}))
    return boxes


def _boxes(content: Mapping[str, Sequence[int]], cases: Sequence[Case]) -> dict[str, Box]:
    """Returns the kept rectangle of each case; ValueError where one is none."""
    boxes = {case.id: Box(*content[case.id]) for case in cases}
    for box in boxes.values():
        if (
            not all(is_kind(number, int) for number in astuple(box))
            or min(box.top, box.left) < 0
            or min(box.height, box.width) < 1
        ):
            raise ValueError(f"{astuple(box)} is no rectangle")
    return boxes


def around(lung: NDArray[np.bool_]) -> Box:
    """The rectangle around the two largest parts of [H, W] with a margin; the whole image where they are too small."""
    height, width = lung.shape
    number, labels, stats, _ = cv2.connectedComponentsWithStats(lung.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA]
    parts = sorted(range(1, number), key=lambda part: -areas[part])[:2]
    parts = [part for part in parts if areas[part] > LEAST * areas[parts[0]]]  # no speck beside a single lung
    mask = np.isin(labels, parts)
    if not parts or mask.mean() < LEAST:
        return Box(0, 0, height, width)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom = _widened(rows[0], rows[-1] + 1, height)
    left, right = _widened(columns[0], columns[-1] + 1, width)
    return Box(top, left, bottom - top, right - left)


def _widened(first: int, last: int, end: int) -> tuple[int, int]:
    margin = round(MARGIN * (last - first))
    return max(int(first) - margin, 0), min(int(last) + margin, end)


def keep_cropper(cropper: Run, run: Run) -> None:
    """Copy what is needed to crop again into ``run``, which then needs no other directory."""
    target = Run(run.path / CROP)
    target.best.parent.mkdir(parents=True)
    for source, copy in ((cropper.config_file, target.config_file), (cropper.best, target.best)):
        shutil.copyfile(source, copy)


def tell_overlap(cropper: Run, test: Sequence[Case]) -> None:
    """Say how many test images the cropping net was trained on: their crops are better than a new image's would be."""
    if not cropper.splits_file.is_file():
        return
    if number := len(seen_images(cropper.splits_file).among(test)):
        log.info("data.crop: its net was trained on %d of the %d test images; their crops flatter", number, len(test))


def cropper_of(run: Run, path: str | None) -> Run | None:
    """The copy within ``run``, else the run that its config names, else None."""
    inside = run.path / CROP
    if path and not inside.is_dir():
        log.info("data.crop=%s is read, as %s says", path, run.config_file)
    return open_cropper(str(inside if inside.is_dir() else Path(path))) if path else None
