"""A finished run, judged on its own test cases, or on another data set."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from lungseg import loggers, output
from lungseg.cropping import cropper_of, lung_boxes
from lungseg.data.case import Case, fingerprint
from lungseg.data.read import Mask
from lungseg.errors import UsageError, UserError
from lungseg.evaluation.baselines import load_mean_mask
from lungseg.evaluation.judge import Judgement, judge
from lungseg.evaluation.table import render
from lungseg.experiment import build_preprocessing, plain
from lungseg.inference import predict
from lungseg.module import SegmentationModule
from lungseg.rebuild import rebuild
from lungseg.runs import Run, open_run
from lungseg.selection import KEPT, Selection, select
from lungseg.trainer import device, resolve

log = logging.getLogger("lungseg")


def evaluate(options: DictConfig, overrides: Sequence[str] = ()) -> Judgement:
    """Judge ``options.run`` from its saved config and best weights."""
    output.to_screen()
    if not 0 < options.threshold < 1:
        raise UserError(f"threshold={options.threshold}: expected a probability between 0 and 1, for example 0.5")
    for key in [override.lstrip("+").partition("=")[0] for override in overrides]:
        if key.removeprefix("data.") in KEPT and key.startswith("data."):
            raise UsageError(f"{key}: a run is judged with the preprocessing that it was trained with; leave it out")
    run = open_run(options.run)
    cfg = run.config()
    if options.batch_size is not None and options.batch_size < 1:
        raise UserError(f"batch_size={options.batch_size}: expected a whole number, at least 1")
    module, epoch = rebuild(run, cfg)
    _tell_unfinished(run, cfg, epoch)
    cfg.trainer = resolve({**cfg.trainer, "accelerator": options.accelerator})
    cfg.data.batch_size = cfg.data.batch_size if options.batch_size is None else options.batch_size
    selection = select(run, cfg, options)
    writers = loggers.build(cfg.logger, run.path, name=run.path.name, config=plain(cfg))
    try:
        return judge_run(
            run,
            cfg,
            module,
            selection,
            epoch,
            writers=writers,
            threshold=options.threshold,
            tta=options.tta,
            out=options.out,
        )
    finally:
        loggers.finish(writers)


def _tell_unfinished(run: Run, cfg: DictConfig, epoch: int) -> None:
    status = run.manifest().get("status")
    if status != "finished":
        log.info("this run is not finished (%s): the best weights so far, of epoch %d of %s, are judged",
                 status, epoch + 1, cfg.trainer.max_epochs)  # fmt: skip


def judge_run(
    run: Run,
    cfg: DictConfig,
    module: SegmentationModule,
    selection: Selection,
    epoch: int,
    *,
    writers: Sequence[Logger],
    threshold: float = 0.5,
    tta: str = "none",
    out: str | None = None,
) -> Judgement:
    """Judge, print the table and where things lie, and hand both to the loggers."""
    cases = selection.cases
    name = selection.name + (f"-{tta}" if tta != "none" else "")
    name += f"-threshold{threshold:g}" if threshold != 0.5 else ""
    regions = list(cfg.task.regions)
    cropper = cropper_of(run, cfg.data.get("crop"))
    how = build_preprocessing(cfg.data, lung_boxes(cropper, cases, cfg.trainer) if cropper else None)
    predictor = partial(
        predict,
        module,
        regions=regions,
        how=how,
        device=device(cfg.trainer),
        batch_size=cfg.data.batch_size,
        tta=tta,
    )
    about = {
        "run": str(run.path),
        "task": cfg.task.name,
        "model": cfg.model.name,
        "data": cfg.data.name,
        "data_options": plain(cfg.data),
        "data_fingerprint": fingerprint(cases),
        "split": selection.split,
        "tta": tta,
        "epoch": epoch + 1,
        "status": run.manifest().get("status"),
        "on_training_images": cfg.data.overfit is not None,
    }
    directory = Path(out) if out else run.path / "evaluation" / name
    mask = load_mean_mask(run.baseline_file).astype(np.float32)

    def baseline(case: Case, shape: tuple[int, ...]) -> Mask:
        return how.back(mask, case.id, (shape[0], shape[1])) >= 0.5

    found = judge(predictor, cases, regions, baseline, directory, threshold=threshold, about=about)
    log.info("\n%s\n", render(found.summary))
    _to_loggers(writers, name, found)
    log.info("run       %s", run.path)
    log.info("cases     %s", directory / "cases.csv")
    log.info("overlays  %s", found.picture)
    return found


def _to_loggers(writers: Sequence[Logger], name: str, found: Judgement) -> None:
    """The table of cases, the overlays, and each region's means."""
    loggers.log_table(writers, f"{name}/cases", found.rows)
    loggers.log_overlays(writers, f"{name}/overlays", found.overlays, 0, None)
    loggers.log_summary(
        writers,
        {
            f"{name}/{region}/{metric}": value
            for region, scores in found.summary["results"]["model"].items()
            for metric, value in scores.items()
            if isinstance(value, int | float)
        },
    )
