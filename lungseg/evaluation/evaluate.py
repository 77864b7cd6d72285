"""A finished run, or several as one, judged on its own test cases, or on another data set."""

import hashlib
import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from lungseg.core import log_output
from lungseg.core.config.compose import changed
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
from lungseg.evaluation.case_selection import Selection, judged_config, select
from lungseg.evaluation.ensemble import Other, member_of
from lungseg.evaluation.loggers import build
from lungseg.evaluation.options import TOLERANCES, members, require_sound, tolerances
from lungseg.evaluation.report_text import render
from lungseg.evaluation.score_cases import How, Judgement, judge
from lungseg.inference.load_run import rebuild
from lungseg.inference.predictor import Ensemble, Predictor, predictor_of
from lungseg.tasks.base import Scoring, Task, Thresholds
from lungseg.tasks.build import plain
from lungseg.tasks.module import TaskModule

log = logging.getLogger("lungseg")


def evaluate(options: DictConfig, overrides: Sequence[str] = ()) -> Judgement:
    """Judges ``options.run`` from its saved config and best weights."""
    with trusting(options.get("trust")):
        return _evaluate(options, overrides)


def _evaluate(options: DictConfig, overrides: Sequence[str]) -> Judgement:
    log_output.to_screen()
    require_sound(options, overrides)
    run, *more = [open_run(path) for path in members(options.run)]
    cfg = run.config()
    require_as_written(run.path)
    module, epoch = rebuild(run, cfg)
    _tell_unfinished(run, cfg, epoch)
    given = {} if options.batch_size is None else {"data.batch_size": options.batch_size}
    trainer = resolve({**cfg.trainer, "accelerator": options.accelerator})
    cfg = judged_config(changed(cfg, {"trainer": trainer, **given}), options)
    selection = select(run, cfg, options)
    others = [Other(other, member_of(other, cfg, selection, options.tta)) for other in more]
    writers = build.build(cfg.logger, run.path, name=run.path.name, config=plain(cfg))
    try:
        return judge_run(run, cfg, module, selection, epoch, writers=writers, options=options, others=others)
    finally:
        build.finish(writers)


def _tell_unfinished(run: Run, cfg: DictConfig, epoch: int) -> None:
    status = run.manifest().get("status")
    if status != "finished":
        log.info("this run is not finished (%s): the best weights so far, of epoch %d of %s, are judged",
                 status, epoch + 1, cfg.trainer.max_epochs)  # fmt: skip


def judge_run(
    run: Run,
    cfg: DictConfig,
    module: TaskModule,
    selection: Selection,
    epoch: int,
    *,
    writers: Sequence[Logger],
    options: DictConfig | None = None,
    others: Sequence[Other] = (),
) -> Judgement:
    """Judge, print the table and where things lie, and hand both to the loggers; no ``options``: the plain ones."""
    given = options or DictConfig({"threshold": 0.5, "tta": "none", "tolerances": TOLERANCES})
    single = predictor_of(run, cfg, module, [*selection.cases, *selection.val], given.tta)
    predict = Ensemble([single, *(other.predict for other in others)]) if others else single
    asked = ask.prepare(given, cfg, selection.cases)
    tuned = _tuned(run, cfg, single.task, predict, selection, given.tta, others)
    name = _name(selection, given, others)
    directory = Path(given.out) if given.get("out") else run.path / "evaluation" / name
    about = _about(run, cfg, selection, epoch, given) | _about_members(run, others)
    found = judge(predict, selection.cases, _how(run, cfg, single, selection, given, tuned), directory, about)
    log.info("\n%s\n", render(single.task, found.summary))
    answers = ask.ask(asked, predict, selection.cases, found)
    _to_loggers(writers, name, found)
    log.info("run       %s", run.path)
    log.info("cases     %s", directory / "cases.csv")
    log.info("overlays  %s", found.picture)
    if answers is not None:
        log.info("answers   %s", answers)
    return found


def _tuned(
    run: Run,
    cfg: DictConfig,
    task: Task,
    predict: Predictor | Ensemble,
    selection: Selection,
    tta: str,
    others: Sequence[Other],
) -> Thresholds | None:
    """The thresholds that the run's own validation chooses; None where there is no honest way to them."""
    if not task.picks_thresholds:
        return None

    def choose() -> Thresholds | None:
        if not selection.val or cfg.data.get("overfit") is not None:
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
    run: Run,
    cfg: DictConfig,
    predict: Predictor,
    selection: Selection,
    given: DictConfig,
    tuned: Thresholds | None,
) -> How:
    task = predict.task
    kept = task.read_baseline(run.baseline_file)
    flattery = task.flawed_definitions(cfg.data.batch_size, given.threshold) if given.get("legacy") else None
    if given.get("legacy") and flattery is None:
        raise UserError(f"legacy=true: no definitions that flatter circulate for task={task.name}; leave it out")

    def baselines(loaded: LoadedCase, prediction: Prediction) -> Mapping[str, Prediction]:
        return task.baselines(kept, prediction, loaded, predict.how)

    return How(
        task,
        Scoring(unit=distance_unit(selection.cases), tolerances=tolerances(given.tolerances)),
        baselines,
        given.threshold,
        tuned,
        flattery,
        given.get("weight") or "images",
    )


def _name(selection: Selection, given: DictConfig, others: Sequence[Other]) -> str:
    """Of the folder; another ensemble that begins with the same run has another."""
    name = selection.name + (f"-{given.tta}" if given.tta != "none" else "")
    name += f"-threshold{given.threshold:g}" if given.threshold != 0.5 else ""
    if not others:
        return name
    paths = sorted(str(other.run.path.resolve()) for other in others)
    return f"{name}-ensemble{len(others) + 1}-{hashlib.sha256(chr(10).join(paths).encode()).hexdigest()[:6]}"


def _about(run: Run, cfg: DictConfig, selection: Selection, epoch: int, given: DictConfig) -> dict[str, Any]:
    words = command_line()
    return {
        "run": str(run.path),
        "command": shlex.join(words) if Path(words[1]).stem == "evaluate" else None,
        "task": cfg.task.name,
        "model": cfg.model.name,
        "data": cfg.data.name,
        "data_options": plain(cfg.data),
        "data_fingerprint": fingerprint(selection.cases),
        "split": selection.split,
        "tuned_on_these_cases": selection.is_val,
        "tta": given.tta,
        "epoch": epoch + 1,
        "status": run.manifest().get("status"),
        "on_training_images": cfg.data.get("overfit") is not None,
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
