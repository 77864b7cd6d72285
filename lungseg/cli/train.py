"""Trains one experiment, then tests its best weights once: ``python train.py --help``."""

import sys
from collections.abc import Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from lungseg.cli import hydra_app
from lungseg.core import fast_startup, rank_environment
from lungseg.core.config.command_line import parsed_training
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import UsageError
from lungseg.core.parent_death import end_with_parent
from lungseg.core.run_directory import Run
from lungseg.models.hub import require_weights
from lungseg.training.distributed import coordinator, slurm_requeue
from lungseg.training.resume import with_settable_keys


def job(composed: DictConfig) -> None:
    """Refuse what can be known to fail; only then import what is heavy. Ranks but the first are told what to do."""
    here, hydra = rank_environment.place(), HydraConfig.get()
    if here.rank > 0:
        with fast_startup.importing():
            from lungseg.training.distributed.worker import follow

        raise SystemExit(follow())
    cfg = parsed_training(composed)
    if hydra.mode == RunMode.MULTIRUN and cfg.trainer.devices not in (1, "1") and here.ranks == 1:
        raise UsageError(
            f"trainer.devices={cfg.trainer.devices} with -m: the runs of a grid have one device each here; use "
            "trainer.devices=1, start each run by a command of its own, or leave the ranks to "
            "hydra/launcher=submitit_slurm hydra.launcher.tasks_per_node=DEVICES"
        )
    if hydra.mode == RunMode.MULTIRUN and (cfg.resume or cfg.run_dir):
        key = "resume" if cfg.resume else "run_dir"
        raise UsageError(f"{key}= with -m: the runs of a grid each make a directory of their own; leave it out")
    start(cfg, hydra.overrides.task)


def start(cfg: TrainConfig, words: Sequence[str]) -> Run:
    """Trains what ``cfg``, parsed from ``words``, says; what can be known to fail is refused first."""
    if cfg.pretrained and not cfg.resume:
        require_weights(cfg.model.encoder, cfg.model.weights)
    with fast_startup.importing():
        from lungseg.training.out_of_memory import told_out_of_memory
        from lungseg.training.train import train

    with told_out_of_memory(cfg.data.loader.batch_size, cfg.data.preprocessing.size_key):
        return train(cfg, words)


def told(composed: DictConfig) -> None:
    """``job``; where it fails at once the other ranks need not wait."""
    try:
        job(composed)
    except BaseException as error:
        coordinator.dismiss(rank_environment.place(), getattr(error, "exit_code", 1))
        raise


def main() -> None:
    """Runs the command line of the process."""
    end_with_parent()
    slurm_requeue.watch_the_start()
    sys.argv[1:] = with_settable_keys(sys.argv[1:])
    with fast_startup.swift_end():
        hydra_app.main(told, "train")


if __name__ == "__main__":
    main()
