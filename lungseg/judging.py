"""A finished run, judged on its own test cases, or on another data set."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from lungseg import loggers, output
from lungseg.cropping import cropper_of, lung_boxes
from lungseg.data.case import Case, checksum, fingerprint
from lungseg.data.read import Mask
from lungseg.data.split import load_splits, require_regions, seen_images
from lungseg.errors import UsageError, UserError
from lungseg.evaluation.baselines import load_mean_mask
from lungseg.evaluation.judge import Judgement, judge
from lungseg.evaluation.table import render
from lungseg.experiment import build_preprocessing, plain
from lungseg.inference import predict
from lungseg.module import SegmentationModule
from lungseg.rebuild import rebuild
from lungseg.runs import Run, open_run
from lungseg.source import LOADING, PREPROCESSING, SPLITTING, build_cases
from lungseg.trainer import device, resolve

log = logging.getLogger("lungseg")

KEPT = (*PREPROCESSING, *SPLITTING, *LOADING)  # what is the run's own, whatever data it is judged on


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
    module, epoch = rebuild(run, cfg)
    cfg.trainer = resolve({**cfg.trainer, "accelerator": options.accelerator})
    cfg.data.batch_size = options.batch_size or cfg.data.batch_size
    cases, split = _choose(run, cfg, options)
    writers = loggers.build(cfg.logger, run.path, name=run.path.name, config=plain(cfg))
    try:
        return judge_run(
            run,
            cfg,
            module,
            cases,
            split,
            epoch,
            writers=writers,
            threshold=options.threshold,
            tta=options.tta,
            out=options.out,
        )
    finally:
        loggers.finish(writers)


def _choose(run: Run, cfg: DictConfig, options: DictConfig) -> tuple[list[Case], str]:
    """The run's own split, or the cases of another data set that the run was not trained on; sets ``cfg.data``."""
    split = options.split
    if split not in (None, "test", "val", "all"):
        why = "a score on training images says nothing of new patients; " if split == "train" else ""
        raise UserError(f"split={split}: {why}expected test, val or all")
    if options.data is not None:
        other = "_target_" in options.data
        kept = {key: cfg.data[key] for key in KEPT if key in cfg.data}
        base = {} if other else dict(cfg.data)
        given = OmegaConf.create({"task": cfg.task, "data": options.data}).data  # a source may ask what is needed
        cfg.data = OmegaConf.create({**base, **given, **kept})
    cases = build_cases(cfg.data)
    if fingerprint(cases) == run.manifest()["data_fingerprint"]:
        if split == "all":
            raise UserError("split=all: this is the data that the run was trained on; expected test or val")
        chosen = load_splits(cases, run.splits_file)[split or "test"]
    else:
        chosen = _unseen(run, [case for case in cases if split in (None, "all") or case.split == split])
        if not chosen:
            raise UserError(f"data={cfg.data.name}: no case to judge with split={split}; use split=all or other data")
    require_regions({split or "all": chosen}, cfg.task.regions)
    return chosen, split or ("test" if fingerprint(cases) == run.manifest()["data_fingerprint"] else "all")


def _unseen(run: Run, cases: list[Case]) -> list[Case]:
    """Without the images that the run was trained or selected on."""
    seen = seen_images(run.splits_file)
    unseen = [case for case in cases if checksum(case.image) not in seen]
    if len(unseen) < len(cases):
        log.info(
            "%d of %d cases left out: the run was trained on these images",
            len(cases) - len(unseen),
            len(cases),
        )
    return unseen


def judge_run(
    run: Run,
    cfg: DictConfig,
    module: SegmentationModule,
    cases: list[Case],
    split: str,
    epoch: int,
    *,
    writers: Sequence[Logger],
    threshold: float = 0.5,
    tta: str = "none",
    out: str | None = None,
) -> Judgement:
    """Judge, print the table and where things lie, and hand both to the loggers."""
    name = f"{cfg.data.name}-{split}" + (f"-{tta}" if tta != "none" else "")
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
        "split": split,
        "tta": tta,
        "epoch": epoch + 1,
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
