"""A Lightning trainer, with what is ``auto`` made definite."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy, Strategy

from lungseg.core.config.trainer_config import TrainerConfig
from lungseg.core.config.value_types import shown
from lungseg.core.cpu_count import machine_cores
from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.core.programs import program
from lungseg.core.rank_environment import RankEnvironment
from lungseg.training.checkpoints import AtomicIO
from lungseg.training.distributed.connection import Connection
from lungseg.training.distributed.sync_batchnorm import SyncBatchNorm
from lungseg.training.mixed_precision import BF16, BF16Mixed

FULL = ("32-true", 32, "32", None)  # no mixed precision


def ranks(trainer: TrainerConfig) -> int:
    """How many processes train together."""
    devices = trainer.devices
    try:
        number = len(devices) if not isinstance(devices, int | str) else len(str(devices).split(","))
        number = int(devices) if number == 1 and isinstance(devices, int | str) else number
        return number * trainer.num_nodes
    except ValueError:
        raise UserError(f"trainer.devices={devices}: expected how many, which ones as [0,1], or auto") from None


def place_of(trainer: TrainerConfig, here: RankEnvironment) -> RankEnvironment:
    """``here``, known to be what ``trainer`` asks for; ranks that nothing else has started are one machine's."""
    wanted, nodes = ranks(trainer), trainer.num_nodes
    if here.ranks == 1 and nodes == 1:
        _require_devices(trainer, wanted)
        return RankEnvironment(ranks=wanted)
    if (wanted, nodes) != (here.ranks, here.nodes) or here.rank != here.node * (wanted // nodes) + here.local_rank:
        raise UserError(
            f"trainer.num_nodes={nodes}, {wanted // nodes} devices on each, but {here.by or 'nothing'} started "
            f"{here.ranks} processes on {here.nodes} nodes; for several nodes: srun --nodes=N --ntasks-per-node=D "
            f"{' '.join(program('train'))} trainer=ddp trainer.num_nodes=N trainer.devices=D"
        )
    return here


def _require_devices(trainer: TrainerConfig, wanted: int) -> None:
    """Refuses more processes than this machine has devices for; two share a single core, to try things out."""
    devices = trainer.devices
    key = f"trainer.devices={shown(devices)}"
    if wanted > 1 and (trainer.accelerator == "mps" or os.name != "posix"):
        where = "an Apple GPU" if trainer.accelerator == "mps" else "Windows"
        raise UserError(f"{key}: {wanted} processes that train together are not supported on {where}; expected 1")
    if trainer.accelerator != "gpu":
        most = max(machine_cores(), 2)
        if wanted > most:
            raise UserError(
                f"{key}: {wanted} processes on {plural(machine_cores(), 'CPU core')}; expected at most {most}, one each"
            )
        return
    there = torch.cuda.device_count()
    named = devices if isinstance(devices, list) else str(devices).split(",")
    last = max(map(int, named)) if isinstance(devices, list) or len(named) > 1 else wanted - 1
    if last >= there:
        raise UserError(
            f"{key}: torch finds {plural(there, 'GPU')} here; expected at most {there}, "
            f"or which ones from 0 to {there - 1}"
        )


class Given(LightningEnvironment):
    """Ranks that are there already, wherever they came from."""

    def __init__(self, place: RankEnvironment, port: int) -> None:
        super().__init__()
        self.place, self._main_port = place, port

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self.place.address

    def local_rank(self) -> int:
        return self.place.local_rank

    def node_rank(self) -> int:
        return self.place.node

    def teardown(self) -> None:
        """Nothing was set."""


@dataclass(frozen=True)
class Ranks:
    """Says where this rank stands, its line to the others (none: it is alone), and where their process group meets."""

    place: RankEnvironment = field(default_factory=RankEnvironment)
    line: Connection | None = None
    port: int = 0


def build(
    trainer: TrainerConfig, root: Path, callbacks: Sequence[Callback], loggers: Sequence[Logger], ranks: Ranks
) -> pl.Trainer:
    """Returns Lightning's trainer; samplers and checkpoints are ours, and so are the ranks."""
    plugins: list[Any] = [AtomicIO()]
    strategy: str | Strategy = trainer.strategy
    if ranks.place.ranks > 1:
        plugins += [Given(ranks.place, ranks.port), *([SyncBatchNorm()] if trainer.sync_batchnorm else [])]
        if strategy in ("auto", "ddp"):
            strategy = DDPStrategy(timeout=timedelta(minutes=trainer.rank_timeout_minutes))
    if trainer.accelerator == "mps" and trainer.precision not in FULL:
        raise UserError(f"trainer.precision={trainer.precision}: not supported on Apple GPUs; use "
                        "trainer.precision=32-true")  # fmt: skip
    options = dict(trainer.options)
    if trainer.precision in BF16:  # Lightning takes a plugin or a precision
        plugins.append(BF16Mixed("cuda" if trainer.accelerator == "gpu" else "cpu"))
    else:
        options["precision"] = trainer.precision
    try:
        return pl.Trainer(
            **options,
            accelerator=trainer.accelerator,
            devices=trainer.devices,
            num_nodes=trainer.num_nodes,
            strategy=strategy,
            max_epochs=trainer.max_epochs,
            gradient_clip_val=trainer.gradient_clip_val,
            accumulate_grad_batches=trainer.accumulate_grad_batches,
            callbacks=list(callbacks),
            logger=list(loggers),
            plugins=plugins,
            default_root_dir=root,
            use_distributed_sampler=False,
            enable_checkpointing=True,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
        )
    except TypeError as error:
        raise UserError(f"trainer: {error}; the keys are those of Lightning's Trainer") from None
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from None
