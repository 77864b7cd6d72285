"""A finished run, or several as one, judged on its own test cases, or on another data set."""

import hashlib
import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from lungseg.core import log_output
from lungseg.core.config.evaluate_config import EvaluateConfig
from lungseg.core.device import resolve
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import file_hash, require_as_written
from lungseg.core.prediction import Prediction
from lungseg.core.programs import command_line
from lungseg.core.run_directory import Run, open_run
from lungseg.core.security.trusted_code import trusting
from lungseg.data.case import fingerprint
from lungseg.data.contamination import seen_images
from lungseg.data.io.spacing import distance_unit
from lungseg.data.loaded_case import LoadedCase
from lungseg.evaluation import thresholds
from lungseg.evaluation.analyses import ask
from lungseg.evaluation.case_selection import Selection, judged_config, require_own_preprocessing, select
from lungseg.evaluation.ensemble import Other, member_of
from lungseg.evaluation.loggers import build
from lungseg.evaluation.report_text import render
from lungseg.evaluation.saved_masks import FOLDER as MASKS
from lungseg.evaluation.score_cases import How, Judgement, judge
from lungseg.inference.load_run import TrainedRun, rebuild
from lungseg.inference.predictor import Ensemble, predictor_of
from lungseg.inference.whole_image import Predictor
from lungseg.tasks.base import Scoring, Thresholds

log = logging.getLogger("lungseg")


def evaluate(options: EvaluateConfig, overrides: Sequence[str] = ()) -> Judgement:
    """Judges the run, or the runs as one, from their saved configs and best weights."""
    with trusting(options.trust):
        return _evaluate(options, overrides)


def _evaluate(options: EvaluateConfig, overrides: Sequence[str]) -> Judgement:
    log_output.to_screen()
    require_own_preprocessing(overrides)
    run, *more = [open_run(path) for path in options.run]
    cfg = run.config()
    require_as_written(run.path)
    trained = rebuild(run, cfg)
    _tell_unfinished(trained)
    trainer = resolve(replace(cfg.trainer, accelerator=options.accelerator))
    cfg = judged_config(cfg.running_on(trainer, options.batch_size), options)
    trained = replace(trained, cfg=cfg)
    selection = select(run, cfg, options)
    others = [Other(other, member_of(other, cfg, selection, options.tta)) for other in more]
    writers = build.build(cfg.logger, run.path, name=run.path.name, config=cfg.to_dict())
    try:
        return judge_run(trained, selection, options, writers, others)
    finally:
        build.finish(writers)


def _tell_unfinished(trained: TrainedRun) -> None:
    status = trained.run.manifest().get("status")
    if status != "finished":
        log.info("this run is not finished (%s): the best weights so far, of epoch %d of %s, are judged",
                 status, trained.epoch + 1, trained.cfg.trainer.max_epochs)  # fmt: skip


def judge_run(
    trained: TrainedRun,
    selection: Selection,
    options: EvaluateConfig,
    writers: Sequence[Logger] = (),
    others: Sequence[Other] = (),
) -> Judgement:
    """Judge, print the table and where things lie, and hand both to the loggers."""
    run, cfg = trained.run, trained.cfg
    single = predictor_of(trained, [*selection.cases, *selection.val], options.tta)
    predict = Ensemble([single, *(other.predict for other in others)]) if others else single
    asked = ask.prepare(options, cfg, selection.cases)
    tuned = _tuned(trained, predict, selection, options.tta, others)
    name = _name(selection, options, others)
    directory = Path(options.out) if options.out else run.path / "evaluation" / name
    about = _about(trained, selection, options) | _about_members(run, others)
    found = judge(predict, selection.cases, _how(trained, single, selection, options, tuned), directory, about)
    log.info("\n%s\n", render(single.task, found.summary))
    answers = ask.ask(asked, predict, selection.cases, found)
    _to_loggers(writers, name, found)
    log.info("run       %s", run.path)
    log.info("cases     %s", directory / "cases.csv")
    log.info("overlays  %s", found.picture)
    if options.save == "masks":
        log.info("masks     %s", found.directory / MASKS)
    if answers is not None:
        log.info("answers   %s", answers)
    return found


def _tuned(
    trained: TrainedRun, predict: Predictor | Ensemble, selection: Selection, tta: str, others: Sequence[Other]
) -> Thresholds | None:
    """The thresholds that the run's own validation chooses; None where there is no honest way to them."""
    task, run = trained.module.task, trained.run
    if not task.picks_thresholds:
        return None

    def choose() -> Thresholds | None:
        if not selection.val or trained.cfg.data.loader.overfit is not None:
            return None
        return task.choose_thresholds(predict(selection.val))

    if not others:
        weights = file_hash(run.best)[:12]
        kept = thresholds.kept(run.thresholds_file, tta, weights, choose)
        if kept is not None and set(kept) != set(task.parts):
            named, expected = ", ".join(map(ascii, kept)), ", ".join(task.parts)
            raise UserError(
                f"{run.thresholds_file}: has thresholds of {named}; expected of {expected}; {thresholds.REMEDY}"
            )
        return kept
    if any(seen_images(other.run.splits_file).trained_on(selection.val) for other in others):
        log.info("no threshold is chosen for the ensemble: a member was trained on the first run's validation cases")
        return None
    return choose()


def _how(
    trained: TrainedRun, predict: Predictor, selection: Selection, options: EvaluateConfig, tuned: Thresholds | None
) -> How:
    task = predict.task
    kept = task.read_baseline(trained.run.baseline_file)
    batch_size = trained.cfg.data.loader.batch_size
    flattery = task.flawed_definitions(batch_size, options.threshold) if options.legacy else None
    if options.legacy and flattery is None:
        raise UserError(f"legacy=true: no definitions that flatter circulate for task={task.name}; leave it out")

    def baselines(loaded: LoadedCase, prediction: Prediction) -> Mapping[str, Prediction]:
        return task.baselines(kept, prediction, loaded, predict.how)

    return How(
        task,
        Scoring(unit=distance_unit(selection.cases), tolerances=options.tolerances),
        baselines,
        options.threshold,
        tuned,
        flattery,
        options.weight,
        options.save == "masks",
    )


def _name(selection: Selection, options: EvaluateConfig, others: Sequence[Other]) -> str:
    """Of the folder; another ensemble that begins with the same run has another."""
    name = selection.name + (f"-{options.tta}" if options.tta != "none" else "")
    name += f"-threshold{options.threshold:g}" if options.threshold != 0.5 else ""
    if not others:
        return name
    paths = sorted(str(other.run.path.resolve()) for other in others)
    return f"{name}-ensemble{len(others) + 1}-{hashlib.sha256(chr(10).join(paths).encode()).hexdigest()[:6]}"


def _about(trained: TrainedRun, selection: Selection, options: EvaluateConfig) -> dict[str, Any]:
    words, cfg = command_line(), trained.cfg
    return {
        "run": str(trained.run.path),
        "command": shlex.join(words) if Path(words[1]).stem == "evaluate" else None,
        "task": cfg.task.name,
        "model": cfg.model.name,
        "data": cfg.data.source.name,
        "data_options": cfg.data.to_dict(),
        "data_fingerprint": fingerprint(selection.cases),
        "split": selection.split,
        "tuned_on_these_cases": selection.is_val,
        "tta": options.tta,
        "epoch": trained.epoch + 1,
        "status": trained.run.manifest().get("status"),
        "on_training_images": cfg.data.loader.overfit is not None,
    }


def _about_members(run: Run, others: Sequence[Other]) -> dict[str, Any]:
    return {"members": 1 + len(others), "member_runs": [str(one) for one in (run.path, *(o.run.path for o in others))]}


def _to_loggers(writers: Sequence[Logger], name: str, found: Judgement) -> None:
    """The table of cases, the overlays, and each region's means."""
    build.log_table(writers, f"{name}/cases", found.rows)
    build.log_overlays(writers, f"{name}/overlays", found.overlays, 0, None)
    build.log_summary(
        writers,
        {
            f"{name}/{region}/{metric}": value
            for region, scores in found.summary["results"]["model"].items()
            for metric, value in scores.items()
            if isinstance(value, int | float)
        },
    )
