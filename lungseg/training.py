"""One experiment from its config to its tested best weights."""

import contextlib
import hashlib
import logging
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback, EarlyStopping, EMAWeightAveraging

from lungseg import loggers, output, trainer
from lungseg.callbacks import Curves, EpochLoss, Overlays, Throughput
from lungseg.checkpoints import AtomicIO, KeepCheckpoints, load_checkpoint
from lungseg.cropping import cropper_of, keep_cropper, lung_boxes, open_cropper, tell_overlap
from lungseg.data.case import Case, fingerprint
from lungseg.data.datamodule import SegmentationData
from lungseg.data.split import Splits, copies_across, load_splits, save_splits
from lungseg.errors import Pruned, Stopped, UsageError, UserError
from lungseg.evaluation.baselines import mean_mask, save_mean_mask
from lungseg.experiment import arm, build_data, build_module, plain, resolved
from lungseg.files import write_atomically
from lungseg.judging import judge_run
from lungseg.latency import milliseconds
from lungseg.metrics_file import MetricsFile
from lungseg.module import SegmentationModule
from lungseg.progress import EpochLines, progress_bar
from lungseg.pruning import pruning
from lungseg.resume import require_same_data, saved_config
from lungseg.runs import Run, create_run, environment, open_run
from lungseg.selection import Selection
from lungseg.source import build_cases, build_splits

log = logging.getLogger("lungseg")

RUN_DIR = "LUNGSEG_RUN_DIR"  # from rank zero to the ranks that it starts


def train(cfg: DictConfig, overrides: Sequence[str] = ()) -> Run:
    """Fit, then test the best weights once, on one device."""
    started = time.monotonic()
    output.to_screen()
    earlier = open_run(cfg.resume, "resume") if cfg.resume else None
    cfg = resolved(cfg if earlier is None else saved_config(earlier, overrides))
    cases = build_cases(cfg.data)
    if earlier is None:
        splits = build_splits(cases, cfg.data)
    else:
        splits = load_splits(cases, earlier.splits_file)
        require_same_data(earlier, fingerprint(cases))
    cropper = cropper_of(earlier, cfg.data.crop) if earlier else open_cropper(cfg.data.crop) if cfg.data.crop else None
    boxes = lung_boxes(cropper, cases, cfg.trainer, show=output.rank() == 0) if cropper else None
    data = build_data(cfg, splits, boxes, show=output.rank() == 0)
    module = build_module(cfg)
    run = earlier or _new_run(cfg, cases, splits, data, cropper)
    with output.to_file(run.log_file):
        fitter = _fit(cfg, run, module, data)
        if fitter.is_global_zero:
            _test(cfg, run, module, splits, fitter)
            run.update_manifest(status="finished", wall_seconds=round(time.monotonic() - started, 1))
    return run


def _new_run(
    cfg: DictConfig, cases: Sequence[Case], splits: Splits, data: SegmentationData, cropper: Run | None
) -> Run:
    """A directory that says what is about to be trained; made only now that all else is known to be right."""
    if output.rank() != 0:
        path = os.environ.get(RUN_DIR) or cfg.run_dir
        if path is None:
            raise UsageError("run_dir: processes that something else starts need the same run_dir=... on each")
        return Run(Path(path))
    run = create_run(cfg.run_dir, f"{cfg.task.name}-{cfg.model.name}-{arm(cfg)}")
    os.environ[RUN_DIR] = str(run.path)
    try:
        _describe(run, cfg, cases, splits, data)
        if cropper is not None:
            keep_cropper(cropper, run)
            tell_overlap(cropper, splits["test"])
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _describe(run: Run, cfg: DictConfig, cases: Sequence[Case], splits: Splits, data: SegmentationData) -> None:
    write_atomically(run.config_file, OmegaConf.to_yaml(cfg))
    save_splits(splits, run.splits_file)
    save_mean_mask(mean_mask(data.train_set.masks(), data.val_set.masks()), run.baseline_file)
    run.update_manifest(
        status="running",
        **environment(trainer.device_name(cfg.trainer)),
        seed=cfg.seed,
        data_fingerprint=fingerprint(cases),
        split={"seed": cfg.data.split_seed, "sha256": hashlib.sha256(run.splits_file.read_bytes()).hexdigest()},
        cases={name: len(side) for name, side in splits.items()},
    )


def _fit(cfg: DictConfig, run: Run, module: SegmentationModule, data: SegmentationData) -> pl.Trainer:
    checkpoint = run.last if run.last.exists() else None
    step = load_checkpoint(checkpoint)["global_step"] if checkpoint else 0
    try:
        fitter = trainer.build(
            **{key: value for key, value in cfg.trainer.items() if key != "_target_"},
            root=run.path,
            callbacks=_callbacks(cfg, run, data),
            logger=[
                MetricsFile(run.metrics_file, step),
                *loggers.build(cfg.logger, run.path, name=run.path.name, config=plain(cfg)),
            ],
            plugins=[AtomicIO()],
        )
    except UserError:
        if not run.last.exists() and output.rank() == 0:
            shutil.rmtree(run.path)
        raise
    if checkpoint is not None:
        log.info("going on from %s", checkpoint)
    _announce(cfg, run, module, data)
    try:
        fitter.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except (Stopped, UserError) as error:
        if fitter.is_global_zero:
            status = "stopped" if isinstance(error, Stopped) else "pruned" if isinstance(error, Pruned) else "failed"
            with contextlib.suppress(UserError):  # on a full disk the first error is the one to be told
                run.update_manifest(status=status, reason=str(error))
            loggers.finish(fitter.loggers)
        elif isinstance(error, Stopped | Pruned):
            raise SystemExit(0) from None  # rank zero says it; another code would have it killed before it can
        raise
    finally:
        os.environ.pop(RUN_DIR, None)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    return fitter


def _announce(cfg: DictConfig, run: Run, module: SegmentationModule, data: SegmentationData) -> None:
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
        trainer.device_name(cfg.trainer),
    )
    if said := copies_across(run.splits_file):
        log.info("%s", said)
    if cfg.data.overfit is not None:
        log.info("data.overfit=%d: validation is on training images; these numbers are no result", cfg.data.overfit)
    log.info("run directory %s", run.path)


def _callbacks(cfg: DictConfig, run: Run, data: SegmentationData) -> list[Callback]:
    callbacks: list[Callback] = [
        KeepCheckpoints(run, cfg.monitor, cfg.trainer.save_every_minutes),
        Overlays(run, data.val_set),
        Curves(run),
        Throughput(run),
        EpochLoss(),
        EpochLines(),
        progress_bar(),
    ]
    callbacks += pruning()
    if cfg.patience is not None:
        callbacks.append(EarlyStopping(cfg.monitor, mode="max", patience=cfg.patience))
    if cfg.ema is not None:
        if not 0 < cfg.ema < 1:
            raise UserError(f"ema={cfg.ema}: expected a decay between 0 and 1, for example 0.999")
        callbacks.append(EMAWeightAveraging(decay=cfg.ema))
    return callbacks


def _test(cfg: DictConfig, run: Run, module: SegmentationModule, splits: Splits, fitter: pl.Trainer) -> None:
    best = load_checkpoint(run.best)
    module.load_state_dict(best["state_dict"])
    chosen = trainer.device(cfg.trainer)
    run.update_manifest(
        best_epoch=best["epoch"] + 1, milliseconds_per_image=milliseconds(module, cfg.data.size, chosen)
    )
    log.info("testing the best weights (epoch %d) on cases never seen", best["epoch"] + 1)
    selection = Selection(splits["test"], "test", f"{cfg.data.name}-test", splits["val"])
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        judge_run(run, cfg, module, selection, best["epoch"], writers=fitter.loggers)
    except KeyboardInterrupt:
        raise Stopped(
            f"training is finished, its test was stopped; do it by: python evaluate.py run={run.path}",
            signal.SIGINT,
        ) from None
    finally:
        signal.signal(signal.SIGINT, previous)
        loggers.finish(fitter.loggers)
