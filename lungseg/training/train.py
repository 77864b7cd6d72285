"""One experiment from its config to its tested best weights."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from lungseg.core import log_output, slurm
from lungseg.core.atomic_io import write_atomically
from lungseg.core.device import device, device_name
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import MADE_ONCE, WEIGHTS, file_hash, hashes
from lungseg.core.manifest import FORMAT
from lungseg.core.run_directory import Run, create_run, environment, open_run
from lungseg.core.security.checkpoint_content import require_finite
from lungseg.core.security.saved_config import own_modules
from lungseg.core.security.trusted_code import trusting
from lungseg.core.shell_commands import evaluate_command
from lungseg.core.signals import Interrupted, Signals
from lungseg.data.build import build_cases, build_splits
from lungseg.data.case import fingerprint
from lungseg.data.contamination import copies_across
from lungseg.data.datamodule import SegmentationData
from lungseg.data.saved_splits import load_splits, save_splits
from lungseg.data.splits import Splits
from lungseg.evaluation.case_selection import Selection
from lungseg.evaluation.evaluate import judge_run
from lungseg.evaluation.loggers import build
from lungseg.inference.checkpoint_reader import load_checkpoint, load_training_state
from lungseg.inference.lung_cropper import cropper_of, keep_cropper, lung_boxes, open_cropper, tell_overlap
from lungseg.models.latency import milliseconds
from lungseg.tasks.build import arm, build_data, build_module, build_task, measured, plain, resolved
from lungseg.tasks.module import TaskModule
from lungseg.training import interruption
from lungseg.training.distributed import slurm_requeue
from lungseg.training.distributed.rank_group import RankGroup, team_of
from lungseg.training.fit import build_trainer, fit
from lungseg.training.metrics_file import MetricsFile
from lungseg.training.resume import require_same_data, saved_config

log = logging.getLogger("lungseg")


def train(cfg: DictConfig, overrides: Sequence[str] = ()) -> Run:
    """Fits on all ranks, then tests the best weights once, on one device.

    Code of the user's own that ``cfg`` names is trusted wherever this run is read back.
    """
    with trusting(cfg.get("trust")), trusting([] if cfg.resume else own_modules(plain(cfg))):
        return _train_signalled(cfg, overrides)


def _train_signalled(cfg: DictConfig, overrides: Sequence[str]) -> Run:
    started = time.monotonic()
    log_output.to_screen()
    with Signals() as signals:
        try:
            earlier = slurm_requeue.begun_before(cfg) if not cfg.resume else open_run(cfg.resume, "resume")
            if earlier is not None and slurm.restarted() and earlier.manifest().get("status") == "finished":
                log.info("%s is finished: nothing is left to do", earlier.path)
                return earlier
            overrides = overrides if cfg.resume else ()
            cfg = resolved(cfg if earlier is None else saved_config(earlier, overrides))
            with team_of(cfg) as team:
                run = _train(cfg, earlier, team, signals)
                run.update_manifest(status="finished", wall_seconds=round(time.monotonic() - started, 1))
            return run
        except Interrupted as error:
            raise slurm_requeue.stopped("stopped before training began", error.number, further=False) from None


def _train(cfg: DictConfig, earlier: Run | None, team: RankGroup, signals: Signals) -> Run:
    cases = build_cases(cfg.data)
    found = fingerprint(cases)
    if earlier is None:
        splits = build_splits(cases, cfg.data)
    else:
        splits = load_splits(cases, earlier.splits_file)
        require_same_data(earlier, found)
    module = build_module(cfg)  # a net that cannot be is refused before any image is read
    cropper = cropper_of(earlier, cfg.data.crop) if earlier else open_cropper(cfg.data.crop) if cfg.data.crop else None
    boxes = lung_boxes(cropper, cases, cfg.trainer) if cropper else None
    data = build_data(cfg, splits, boxes)
    cfg = measured(cfg, data)
    run = earlier or _new_run(cfg, found, splits, data, cropper)
    with log_output.to_file(run.log_file), interruption.kept(run, cfg.data.batch_size):
        writers = _fit(cfg, run, module, data, signals, team, {"fingerprint": found, "boxes": boxes})
        _test(cfg, run, module, splits, writers)
    return run


def _new_run(cfg: DictConfig, found: str, splits: Splits, data: SegmentationData, cropper: Run | None) -> Run:
    """A directory that says what is about to be trained; made only now that all else is known to be right.

    ``found``: the fingerprint of the data.
    """
    run = create_run(cfg.run_dir, f"{cfg.task.name}-{cfg.model.name}-{arm(cfg)}")
    try:
        run.update_manifest(status="running", **slurm_requeue.identity())
        _describe(run, cfg, found, splits, data)
        if cropper is not None:
            keep_cropper(cropper, run)
        run.update_manifest(format=FORMAT, sha256=hashes(run.path, MADE_ONCE))  # a format promises these hashes
        if cropper is not None:
            tell_overlap(cropper, splits["test"])
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _describe(run: Run, cfg: DictConfig, found: str, splits: Splits, data: SegmentationData) -> None:
    write_atomically(run.config_file, OmegaConf.to_yaml(cfg))
    save_splits(splits, run.splits_file)
    build_task(cfg).keep_baseline(data.train_set, data.val_set, run.baseline_file)
    run.update_manifest(
        status="running",
        **environment(device_name(cfg.trainer)),
        seed=cfg.seed,
        data_fingerprint=found,
        split={"seed": cfg.data.split_seed, "sha256": file_hash(run.splits_file)},
        cases={name: len(side) for name, side in splits.items()},
    )


def _fit(
    cfg: DictConfig,
    run: Run,
    module: TaskModule,
    data: SegmentationData,
    signals: Signals,
    team: RankGroup,
    told: Mapping[str, Any],
) -> list[Logger]:
    """The loggers, for what is still to come."""
    checkpoint = run.last if run.last.exists() else None
    step = load_training_state(checkpoint, module)["global_step"] if checkpoint else 0
    writers: list[Logger] = []
    try:
        writers.append(MetricsFile(run.metrics_file, step))
        writers += build.build(cfg.logger, run.path, name=run.path.name, config=plain(cfg))
        fitter = build_trainer(cfg, run, module, signals, team.ranks, writers)
    except UserError:
        build.finish(writers)
        if checkpoint is None:
            shutil.rmtree(run.path)
        raise
    if checkpoint is not None:
        _expect_new_weights(run)
        log.info("going on from %s", checkpoint)
    _announce(cfg, run, module, data)
    try:
        team.begin(cfg, run, checkpoint is not None, **told)
        fit(fitter, module, data, team.ranks, checkpoint)
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


def _announce(cfg: DictConfig, run: Run, module: TaskModule, data: SegmentationData) -> None:
    trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in module.parameters())
    log.info(
        "%s with %s (%s, %s of %s weights trained) on %s: %d train, %d val, %d test cases, %s",
        cfg.task.name,
        cfg.model.name,
        arm(cfg),
        f"{trained:,}",
        f"{total:,}",
        cfg.data.name,
        len(data.train_set),
        len(data.val_set),
        len(data.splits["test"]),
        device_name(cfg.trainer),
    )
    if said := copies_across(run.splits_file):
        log.info("%s", said)
    if cfg.data.overfit is not None:
        log.info("data.overfit=%d: validation is on training images; these numbers are no result", cfg.data.overfit)
    log.info("run directory %s", run.path)


def _test(cfg: DictConfig, run: Run, module: TaskModule, splits: Splits, writers: Sequence[Logger]) -> None:
    run.update_manifest(sha256={**run.manifest().get("sha256", {}), **hashes(run.path, [WEIGHTS])})
    best = load_checkpoint(run.best)
    module.load_state_dict(best["state_dict"])
    require_finite(run.best, best["state_dict"])
    chosen = device(cfg.trainer)
    run.update_manifest(
        best_epoch=best["epoch"] + 1, milliseconds_per_image=milliseconds(module, cfg.data.size, chosen)
    )
    log.info("testing the best weights (epoch %d) on cases never seen", best["epoch"] + 1)
    selection = Selection(splits["test"], "test", f"{cfg.data.name}-test", splits["val"])
    try:
        judge_run(run, cfg, module, selection, best["epoch"], writers=writers)
    except Interrupted as error:
        said = f"training is finished, its test was stopped; do it by: {evaluate_command(run.path)}"
        raise slurm_requeue.stopped(said, error.number) from None
    finally:
        build.finish(writers)
