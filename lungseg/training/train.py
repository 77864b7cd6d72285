"""One experiment from its config to its tested best weights."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytorch_lightning.loggers import Logger

from lungseg.core import log_output, slurm
from lungseg.core.config.evaluate_config import EvaluateConfig
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.device import device, device_name
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import CROP, GATE, MADE_ONCE, WEIGHTS, file_hash, hashes
from lungseg.core.manifest import FORMAT
from lungseg.core.run_directory import Run, create_run, environment, open_run
from lungseg.core.security.checkpoint_content import require_finite
from lungseg.core.security.saved_config import own_modules
from lungseg.core.security.trusted_code import trusting
from lungseg.core.shell_commands import evaluate_command
from lungseg.core.signals import Interrupted, Signals
from lungseg.data.boxes import AnyBox
from lungseg.data.build import build_cases, build_splits
from lungseg.data.case import fingerprint
from lungseg.data.contamination import copies_across
from lungseg.data.datamodule import CaseDataModule
from lungseg.data.saved_splits import load_splits, save_splits
from lungseg.data.splits import Splits
from lungseg.evaluation.case_selection import Selection
from lungseg.evaluation.evaluate import judge_run
from lungseg.evaluation.loggers import build
from lungseg.inference.checkpoint_reader import load_checkpoint, load_training_state
from lungseg.inference.load_run import TrainedRun
from lungseg.inference.lung_boxes import lung_boxes
from lungseg.inference.lung_runs import KEYS, keep_copy, kept_lung_run, open_lung_run, require_same_kind, tell_overlap
from lungseg.models.latency import milliseconds
from lungseg.tasks.build import build_data, build_module, measured, resolved
from lungseg.tasks.module import TaskModule
from lungseg.tasks.volume_geometry import with_geometry
from lungseg.training import interruption
from lungseg.training.distributed import slurm_requeue
from lungseg.training.distributed.rank_group import RankGroup, team_of
from lungseg.training.fit import build_trainer, fit
from lungseg.training.metrics_file import MetricsFile
from lungseg.training.resume import require_same_data, saved_config

log = logging.getLogger("lungseg")


@dataclass(frozen=True)
class Prepared:
    """Holds what is about to be trained, known to be right."""

    cfg: TrainConfig
    module: TaskModule
    data: CaseDataModule
    splits: Splits  # whole, also where data.overfit trains on a part
    fingerprint: str  # of the cases
    lungs: Mapping[str, Run]  # by folder: the runs that find lungs to cut images to, or to keep predictions to
    boxes: Mapping[str, AnyBox] | None  # where lungs were found


def train(cfg: TrainConfig, overrides: Sequence[str] = ()) -> Run:
    """Fits on all ranks, then tests the best weights once, on one device.

    Code of the user's own that ``cfg`` names is trusted wherever this run is read back.
    """
    with trusting(cfg.trust), trusting([] if cfg.resume else own_modules(cfg.to_dict())):
        return _train_signalled(cfg, overrides)


def _train_signalled(cfg: TrainConfig, overrides: Sequence[str]) -> Run:
    started = time.monotonic()
    log_output.to_screen()
    with Signals() as signals:
        try:
            earlier = open_run(cfg.resume, "resume") if cfg.resume else slurm_requeue.begun_before(cfg.run_dir)
            if earlier is not None and slurm.restarted() and earlier.manifest().get("status") == "finished":
                log.info("%s is finished: nothing is left to do", earlier.path)
                return earlier
            overrides = overrides if cfg.resume else ()
            cfg = resolved(cfg if earlier is None else saved_config(earlier, cfg, overrides))
            with team_of(cfg) as team:
                run = _train(cfg, earlier, team, signals)
                run.update_manifest(status="finished", wall_seconds=round(time.monotonic() - started, 1))
            return run
        except Interrupted as error:
            raise slurm_requeue.stopped("stopped before training began", error.number, further=False) from None


def _train(cfg: TrainConfig, earlier: Run | None, team: RankGroup, signals: Signals) -> Run:
    prepared = _prepare(cfg, earlier)
    run = earlier or _new_run(prepared)
    batch_size, size_key = cfg.data.loader.batch_size, cfg.data.preprocessing.size_key
    with log_output.to_file(run.log_file), interruption.kept(run, batch_size, size_key):
        writers = _fit(prepared, run, signals, team)
        _test(prepared, run, writers)
    return run


def _prepare(cfg: TrainConfig, earlier: Run | None) -> Prepared:
    cases = build_cases(cfg.data.source)
    found = fingerprint(cases)
    if earlier is None:
        splits = build_splits(cases, cfg.data)
    else:
        splits = load_splits(cases, earlier.splits_file)
        require_same_data(earlier, found)
    cfg = with_geometry(cfg, splits["train"])
    module = build_module(cfg)  # a net that cannot be is refused before any image is read
    lungs = _lung_runs(cfg, earlier)
    boxes = lung_boxes(lungs[CROP], cases, cfg.trainer.accelerator) if CROP in lungs else None
    data = build_data(cfg, splits, boxes)
    return Prepared(measured(cfg, data), module, data, splits, found, lungs, boxes)


def _lung_runs(cfg: TrainConfig, earlier: Run | None) -> dict[str, Run]:
    """Opens the runs that find lungs for this one: the copies within ``earlier``, where it is gone on with."""
    how = cfg.data.preprocessing
    runs = {}
    for folder, path in ((CROP, how.crop), (GATE, how.gate)):
        if path is not None:
            lungs = kept_lung_run(earlier, path, folder) if earlier else open_lung_run(path, KEYS[folder])
            assert lungs is not None
            require_same_kind(KEYS[folder], lungs, how.view is not None)
            runs[folder] = lungs
    return runs


def _new_run(prepared: Prepared) -> Run:
    """A directory that says what is about to be trained; made only now that all else is known to be right."""
    cfg = prepared.cfg
    run = create_run(cfg.run_dir, f"{cfg.task.name}-{cfg.model.name}-{cfg.arm}")
    try:
        run.update_manifest(status="running", **slurm_requeue.identity())
        _describe(run, prepared)
        for folder, lungs in prepared.lungs.items():
            keep_copy(lungs, run, folder)
        run.update_manifest(format=FORMAT, sha256=hashes(run.path, MADE_ONCE))  # a format promises these hashes
        for folder, lungs in prepared.lungs.items():
            tell_overlap(lungs, prepared.splits["test"], folder)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _describe(run: Run, prepared: Prepared) -> None:
    cfg, data = prepared.cfg, prepared.data
    run.write_config(cfg)
    save_splits(prepared.splits, run.splits_file)
    prepared.module.task.keep_baseline(data.train_set, data.val_set, run.baseline_file)
    run.update_manifest(
        status="running",
        **environment(device_name(cfg.trainer.accelerator)),
        seed=cfg.seed,
        data_fingerprint=prepared.fingerprint,
        split={"seed": cfg.data.split.split_seed, "sha256": file_hash(run.splits_file)},
        cases={name: len(side) for name, side in prepared.splits.items()},
    )


def _fit(prepared: Prepared, run: Run, signals: Signals, team: RankGroup) -> list[Logger]:
    """The loggers, for what is still to come."""
    cfg, module = prepared.cfg, prepared.module
    checkpoint = run.last if run.last.exists() else None
    step = load_training_state(checkpoint, module)["global_step"] if checkpoint else 0
    writers: list[Logger] = []
    try:
        writers.append(MetricsFile(run.metrics_file, step))
        writers += build.build(cfg.logger, run.path, name=run.path.name, config=cfg.to_dict())
        fitter = build_trainer(cfg, run, module.task, signals, team.ranks, writers)
    except UserError:
        build.finish(writers)
        if checkpoint is None:
            shutil.rmtree(run.path)
        raise
    if checkpoint is not None:
        _expect_new_weights(run)
        log.info("going on from %s", checkpoint)
    _announce(prepared, run)
    try:
        team.begin(cfg, run, checkpoint is not None, fingerprint=prepared.fingerprint, boxes=prepared.boxes)
        fit(fitter, module, prepared.data, team.ranks, checkpoint)
    except (UserError, Interrupted) as error:
        build.finish(writers)  # before SLURM is asked to run this job again, which may end it at once
        said = interruption.told(error, run, further=fitter.global_step > step)
        interruption.note(run, said)
        raise said from None
    except Exception as error:
        build.finish(writers)  # in a notebook the process goes on
        interruption.note(run, error)
        raise
    return writers


def _expect_new_weights(run: Run) -> None:
    """Takes the hash of the best weights out of the manifest: training that goes on may find better ones."""
    known = run.manifest().get("sha256", {})
    if WEIGHTS in known:
        run.update_manifest(sha256={name: value for name, value in known.items() if name != WEIGHTS})


def _announce(prepared: Prepared, run: Run) -> None:
    cfg, data, overfit = prepared.cfg, prepared.data, prepared.cfg.data.loader.overfit
    parameters = list(prepared.module.parameters())
    log.info(
        "%s with %s (%s, %s of %s weights trained) on %s: %d train, %d val, %d test cases, %s",
        cfg.task.name,
        cfg.model.name,
        cfg.arm,
        f"{sum(parameter.numel() for parameter in parameters if parameter.requires_grad):,}",
        f"{sum(parameter.numel() for parameter in parameters):,}",
        cfg.data.source.name,
        len(data.splits["train"]),
        len(data.splits["val"]),
        len(data.splits["test"]),
        device_name(cfg.trainer.accelerator),
    )
    if said := copies_across(run.splits_file):
        log.info("%s", said)
    if overfit is not None:
        log.info("data.overfit=%d: validation is on training images; these numbers are no result", overfit)
    log.info("run directory %s", run.path)


def _test(prepared: Prepared, run: Run, writers: Sequence[Logger]) -> None:
    cfg, module, splits = prepared.cfg, prepared.module, prepared.splits
    run.update_manifest(sha256={**run.manifest().get("sha256", {}), **hashes(run.path, [WEIGHTS])})
    best = load_checkpoint(run.best)
    module.load_state_dict(best["state_dict"])
    require_finite(run.best, best["state_dict"])
    shape, chosen = cfg.data.preprocessing.input_shape, device(cfg.trainer.accelerator)
    run.update_manifest(best_epoch=best["epoch"] + 1, milliseconds_per_image=milliseconds(module, shape, chosen))
    log.info("testing the best weights (epoch %d) on cases never seen", best["epoch"] + 1)
    selection = Selection(splits["test"], "test", f"{cfg.data.source.name}-test", splits["val"])
    options = EvaluateConfig(run=(str(run.path),))
    try:
        judge_run(TrainedRun(run, cfg, module, best["epoch"]), selection, options, writers)
    except Interrupted as error:
        said = f"training is finished, its test was stopped; do it by: {evaluate_command(run.path)}"
        raise slurm_requeue.stopped(said, error.number) from None
    finally:
        build.finish(writers)
