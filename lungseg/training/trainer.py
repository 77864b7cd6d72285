"""A Lightning trainer, with what is ``auto`` made definite."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.strategies import DDPStrategy

from lungseg.core.config.value_types import is_list, shown
from lungseg.core.cpu_count import machine_cores
from lungseg.core.errors import UserError
from lungseg.core.plural import plural
from lungseg.core.programs import program
from lungseg.core.rank_environment import RankEnvironment
from lungseg.training.checkpoints import AtomicIO
from lungseg.training.distributed.sync_batchnorm import SyncBatchNorm
from lungseg.training.mixed_precision import BF16, BF16Mixed

FULL = ("32-true", 32, "32", None)  # no mixed precision
MINUTES = 30.0  # that a rank waits for the others


def ranks(options: Mapping[str, Any]) -> int:
    """How many processes train together."""
    devices = options["devices"]
    try:
        number = len(devices) if not isinstance(devices, int | str) else len(str(devices).split(","))
        number = int(devices) if number == 1 and isinstance(devices, int | str) else number
        return number * int(options.get("num_nodes", 1))
    except ValueError:
        raise UserError(f"trainer.devices={devices}: expected how many, which ones as [0,1], or auto") from None


def place_of(options: Mapping[str, Any], here: RankEnvironment) -> RankEnvironment:
    """``here``, known to be what ``options`` ask for; ranks that nothing else has started are one machine's."""
    wanted, nodes = ranks(options), int(options.get("num_nodes", 1))
    if here.ranks == 1 and nodes == 1:
        _require_devices(options, wanted)
        return RankEnvironment(ranks=wanted)
    if (wanted, nodes) != (here.ranks, here.nodes) or here.rank != here.node * (wanted // nodes) + here.local_rank:
        raise UserError(
            f"trainer.num_nodes={nodes}, {wanted // nodes} devices on each, but {here.by or 'nothing'} started "
            f"{here.ranks} processes on {here.nodes} nodes; for several nodes: srun --nodes=N --ntasks-per-node=D "
            f"{' '.join(program('train'))} trainer=ddp trainer.num_nodes=N trainer.devices=D"
        )
    return here


def _require_devices(options: Mapping[str, Any], wanted: int) -> None:
    """Refuses more processes than this machine has devices for; two share a single core, to try things out."""
    devices = options["devices"]
    key = f"trainer.devices={shown(devices)}"
    if wanted > 1 and (options["accelerator"] == "mps" or os.name != "posix"):
        where = "an Apple GPU" if options["accelerator"] == "mps" else "Windows"
        raise UserError(f"{key}: {wanted} processes that train together are not supported on {where}; expected 1")
    if options["accelerator"] != "gpu":
        most = max(machine_cores(), 2)
        if wanted > most:
            raise UserError(
                f"{key}: {wanted} processes on {plural(machine_cores(), 'CPU core')}; expected at most {most}, one each"
            )
        return
    there = torch.cuda.device_count()
    named = devices.split(",") if isinstance(devices, str) and "," in devices else devices
    last = max(map(int, named)) if is_list(named) else wanted - 1
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


def build(
    *,
    channels_last: bool,
    save_every_minutes: float,
    root: Path,
    rank_timeout_minutes: float = MINUTES,
    sync_batchnorm: bool = True,
    place: RankEnvironment | None = None,
    port: int = 0,
    **options: Any,
) -> pl.Trainer:
    """``options`` are the Trainer's own; samplers and checkpoints are ours, and so are the ranks of ``place``."""
    del channels_last, save_every_minutes  # the module's and the checkpoints'
    plugins: list[Any] = [AtomicIO()]
    if place is not None and place.ranks > 1:
        plugins += [Given(place, port), *([SyncBatchNorm()] if sync_batchnorm else [])]
        if options.get("strategy", "auto") in ("auto", "ddp"):
            options["strategy"] = DDPStrategy(timeout=timedelta(minutes=rank_timeout_minutes))
    if options.get("accelerator") == "mps" and options.get("precision") not in FULL:
        raise UserError(
            f"trainer.precision={options.get('precision')}: not supported on Apple GPUs; use trainer.precision=32-true"
        )
    if options.get("precision") in BF16:
        plugins.append(BF16Mixed("cuda" if options.get("accelerator") == "gpu" else "cpu"))
        del options["precision"]  # Lightning takes one of the two
    try:
        return pl.Trainer(
            **options,
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
