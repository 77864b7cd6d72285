"""A finished run, or several as one, judged on its own test cases, or on another data set."""

import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, ListConfig
from pytorch_lightning.loggers import Logger

from lungseg import loggers, output
from lungseg.data.case import Case, checksum, fingerprint
from lungseg.data.read import Mask
from lungseg.data.spacing import spacings
from lungseg.data.split import seen_images
from lungseg.errors import UsageError, UserError
from lungseg.evaluation import thresholds
from lungseg.evaluation.baselines import load_mean_mask
from lungseg.evaluation.flattery import Flattery
from lungseg.evaluation.judge import How, Judgement, judge
from lungseg.evaluation.scorer import Scorer
from lungseg.evaluation.table import render
from lungseg.experiment import plain
from lungseg.module import SegmentationModule
from lungseg.predictor import Ensemble, Predictor, predictor_of
from lungseg.rebuild import rebuild
from lungseg.runs import Run, open_run
from lungseg.selection import KEPT, Selection, select
from lungseg.trainer import resolve
from lungseg.understanding import asking

log = logging.getLogger("lungseg")

TOLERANCES = (1.0, 2.0, 4.0)


def evaluate(options: DictConfig, overrides: Sequence[str] = ()) -> Judgement:
    """Judge ``options.run`` from its saved config and best weights."""
    output.to_screen()
    _check(options, overrides)
    several = isinstance(options.run, ListConfig)
    runs = [open_run(str(path)) for path in (options.run if several else [options.run])]
    run, cfg = runs[0], runs[0].config()
    module, epoch = rebuild(run, cfg)
    _tell_unfinished(run, cfg, epoch)
    cfg.trainer = resolve({**cfg.trainer, "accelerator": options.accelerator})
    cfg.data.batch_size = cfg.data.batch_size if options.batch_size is None else options.batch_size
    selection = select(run, cfg, options)
    others = [_member(other, cfg, selection.cases) for other in runs[1:]]
    writers = loggers.build(cfg.logger, run.path, name=run.path.name, config=plain(cfg))
    try:
        return judge_run(run, cfg, module, selection, epoch, writers=writers, options=options, others=others)
    finally:
        loggers.finish(writers)


def _check(options: DictConfig, overrides: Sequence[str]) -> None:
    if not 0 < options.threshold < 1:
        raise UserError(f"threshold={options.threshold}: expected a probability between 0 and 1, for example 0.5")
    if options.batch_size is not None and options.batch_size < 1:
        raise UserError(f"batch_size={options.batch_size}: expected a whole number, at least 1")
    if not options.tolerances or min(options.tolerances) <= 0:
        raise UserError(f"tolerances={options.tolerances}: expected distances above 0, for example [1,2,4]")
    if isinstance(options.run, ListConfig) and len(set(options.run)) < max(len(options.run), 2):
        raise UserError(f"run={list(options.run)}: an ensemble is of at least 2 different runs, as run=[a,b]")
    for key in [override.lstrip("+").partition("=")[0] for override in overrides]:
        if key.removeprefix("data.") in KEPT and key.startswith("data."):
            raise UsageError(f"{key}: a run is judged with the preprocessing that it was trained with; leave it out")


def _tell_unfinished(run: Run, cfg: DictConfig, epoch: int) -> None:
    status = run.manifest().get("status")
    if status != "finished":
        log.info("this run is not finished (%s): the best weights so far, of epoch %d of %s, are judged",
                 status, epoch + 1, cfg.trainer.max_epochs)  # fmt: skip


def _member(run: Run, first: DictConfig, cases: Sequence[Case]) -> Predictor:
    """Another run of an ensemble: of the same regions, and trained on none of the ``cases``."""
    cfg = run.config()
    if list(cfg.task.regions) != list(first.task.regions):
        raise UserError(f"run: {run.path} is of task={cfg.task.name}, the first run of task={first.task.name}")
    seen = seen_images(run.splits_file)
    learnt = [case.id for case in cases if checksum(case.image) in seen]
    if learnt:
        raise UserError(
            f"run: {run.path} was trained on {len(learnt)} of the cases that are judged ({learnt[0]}); an ensemble is "
            "of runs with the same test cases (seeds, or folds beside a published test)"
        )
    module, _ = rebuild(run, cfg)
    cfg.trainer, cfg.data.batch_size = first.trainer, first.data.batch_size
    return predictor_of(run, cfg, module, cases)


def judge_run(
    run: Run,
    cfg: DictConfig,
    module: SegmentationModule,
    selection: Selection,
    epoch: int,
    *,
    writers: Sequence[Logger],
    options: DictConfig | None = None,
    others: Sequence[Predictor] = (),
) -> Judgement:
    """Judge, print the table and where things lie, and hand both to the loggers; no ``options``: the plain ones."""
    given = options or DictConfig({"threshold": 0.5, "tta": "none", "tolerances": TOLERANCES})
    single = predictor_of(run, cfg, module, [*selection.cases, *selection.val], given.tta)
    predict = Ensemble([single, *(other.but(tta=given.tta) for other in others)]) if others else single
    asked = asking.prepare(given, cfg, selection.cases)
    how = _how(run, cfg, single, selection, given, alone=not others)
    name = _name(selection, given, len(others))
    directory = Path(given.out) if given.get("out") else run.path / "evaluation" / name
    about = _about(run, cfg, selection, epoch, given) | {"members": 1 + len(others)}
    found = judge(predict, selection.cases, how, directory, about)
    log.info("\n%s\n", render(found.summary))
    asking.ask(asked, predict, selection.cases, found)
    _to_loggers(writers, name, found)
    log.info("run       %s", run.path)
    log.info("cases     %s", directory / "cases.csv")
    log.info("overlays  %s", found.picture)
    return found


def _how(run: Run, cfg: DictConfig, predict: Predictor, selection: Selection, given: DictConfig, alone: bool) -> How:
    unit, sizes = spacings(selection.cases)
    mask = load_mean_mask(run.baseline_file).astype(np.float32)

    def baseline(case: Case, shape: tuple[int, ...]) -> Mask:
        return predict.how.back(mask, case.id, (shape[0], shape[1])) >= 0.5

    def tune() -> thresholds.Thresholds | None:
        if not selection.val or cfg.data.overfit is not None:
            return None
        return thresholds.choose(predict(selection.val), predict.regions)

    return How(
        Scorer(predict.regions, unit, sizes, tuple(given.tolerances)),
        baseline,
        given.threshold,
        thresholds.kept(run.thresholds_file, given.tta, tune) if alone else None,
        Flattery(predict.regions, cfg.data.batch_size) if given.get("legacy") else None,
    )


def _name(selection: Selection, given: DictConfig, others: int) -> str:
    name = selection.name + (f"-{given.tta}" if given.tta != "none" else "")
    name += f"-threshold{given.threshold:g}" if given.threshold != 0.5 else ""
    return name + (f"-ensemble{others + 1}" if others else "")


def _about(run: Run, cfg: DictConfig, selection: Selection, epoch: int, given: DictConfig) -> dict[str, Any]:
    script = Path(sys.argv[0]).name
    return {
        "run": str(run.path),
        "command": shlex.join(["python", *sys.argv]) if script == "evaluate.py" else None,
        "task": cfg.task.name,
        "model": cfg.model.name,
        "data": cfg.data.name,
        "data_options": plain(cfg.data),
        "data_fingerprint": fingerprint(selection.cases),
        "split": selection.split,
        "tta": given.tta,
        "epoch": epoch + 1,
        "status": run.manifest().get("status"),
        "on_training_images": cfg.data.overfit is not None,
    }


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
