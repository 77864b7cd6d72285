"""Runs of task=lung that another run uses: to cut its images to the lungs, or to keep what it predicts within them."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lungseg.core.errors import UserError
from lungseg.core.file_hashes import CROP, GATE, require_as_written
from lungseg.core.run_directory import Run, open_run
from lungseg.data.case import Case
from lungseg.data.contamination import seen_images
from lungseg.inference.load_run import rebuild
from lungseg.inference.trained_predictor import trained_predictor
from lungseg.inference.whole_image import Gate
from lungseg.tasks.regions import regions_of

log = logging.getLogger("lungseg")

KEYS = {CROP: "data.crop", GATE: "data.gate"}  # folder within a run -> the key that names the run copied there


def open_lung_run(path: str, key: str) -> Run:
    """Opens the run that ``key`` names; it must have learnt lungs, and not be cropped or gated itself."""
    run = open_run(path, key)
    cfg = run.config()
    if run.manifest_file.exists() or run.path.name not in KEYS:  # the copy within a run is in that run's manifest
        require_as_written(run.path)
    if not regions_of(cfg.task.options).organs:
        raise UserError(f"{key}={path}: a run of task={cfg.task.name}; expected one of task=lung")
    if cfg.data.preprocessing.crop:
        raise UserError(f"{key}={path}: a run that was cropped itself; expected one on whole images")
    if cfg.data.preprocessing.gate:
        raise UserError(f"{key}={path}: a run that was gated itself; expected one that predicts alone")
    return run


def require_same_kind(key: str, lungs: Run, sees_volumes: bool) -> None:
    """Refuses a net that finds lungs in pictures where the data are volumes, and the other way round."""
    own = lungs.config().data.preprocessing.view is not None
    if own != sees_volumes:
        kinds = ("pictures", "volumes")
        raise UserError(f"{key}={lungs.path}: a run on {kinds[own]}; expected one on {kinds[sees_volumes]}")


def keep_copy(lungs: Run, run: Run, folder: str) -> None:
    """Copies what is needed to find lungs again into ``run``, which then needs no other directory."""
    target = Run(run.path / folder)
    target.best.parent.mkdir(parents=True)
    for source, copy in ((lungs.config_file, target.config_file), (lungs.best, target.best)):
        shutil.copyfile(source, copy)


def tell_overlap(lungs: Run, test: Sequence[Case], folder: str) -> None:
    """Says how many test images the net was trained on: its lungs there are better than in a new image."""
    if not lungs.splits_file.is_file():
        return
    if number := len(seen_images(lungs.splits_file).among(test)):
        what = "crops" if folder == CROP else "lungs"
        log.info("%s: its net was trained on %d of the %d test images; their %s flatter",
                 KEYS[folder], number, len(test), what)  # fmt: skip


def kept_lung_run(run: Run, path: str | None, folder: str) -> Run | None:
    """Returns the copy within ``run``, else the run that its config names, else None."""
    if not path:
        return None
    inside = run.path / folder
    if not inside.is_dir():
        log.info("%s=%s is read, as %s says", KEYS[folder], path, run.config_file)
    return open_lung_run(str(inside if inside.is_dir() else Path(path)), KEYS[folder])


def gate_of(run: Run, path: str | None, accelerator: str) -> Gate | None:
    """Returns what keeps the predictions of ``run`` within the lungs, where its config says so."""
    lungs = kept_lung_run(run, path, GATE)
    if lungs is None:
        return None
    trained = rebuild(lungs, lungs.config())
    predictor = replace(trained_predictor(trained, accelerator), regions=[])
    organs = trained.module.task.regions
    return Gate(predictor, [organs.names.index(organ) for organ in organs.organs])
