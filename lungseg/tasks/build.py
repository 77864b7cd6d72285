"""Config -> data, net, module, trainer. Each is built apart, so that an error names its part."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import albumentations
import numpy as np
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from lungseg.core.config.compose import changed, suggestion, transfer
from lungseg.core.config.compose import plain as plain
from lungseg.core.config.validation import require_preprocessing, require_values
from lungseg.core.device import resolve
from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.data.datamodule import SegmentationData, count_workers
from lungseg.data.dataset import CaseDataset
from lungseg.data.packed_cache import open_pack
from lungseg.data.preprocessing import IMAGENET, Box, Normalisation, Preprocessing
from lungseg.data.splits import Splits, require_regions
from lungseg.tasks.base import Task
from lungseg.tasks.module import MakeOptimizer, MakeSchedule, ModuleParts, TaskModule


def resolved(cfg: DictConfig) -> DictConfig:
    """The config without interpolations and without ``auto``: what will be saved, and enough to build all again."""
    content = require_values(plain(cfg))
    content["trainer"] = resolve(content["trainer"])
    content["data"]["workers"] = count_workers(content["data"]["workers"])
    content.pop("trust", None)  # said anew by whoever reads the config back
    return changed(OmegaConf.create(content), {})


def build_preprocessing(data: DictConfig, boxes: Mapping[str, Box] | None = None) -> Preprocessing:
    require_preprocessing(data)
    return Preprocessing(
        size=data.size,
        clahe=data.clahe,
        aspect=data.aspect,
        boxes=boxes or {},
        normalise=_normalisation(data.normalise),
    )


def _normalisation(value: Any) -> Normalisation:
    """``dataset`` is measured later and is ImageNet's until then."""
    if isinstance(value, str):
        known = {"imagenet": IMAGENET, "image": None, "dataset": IMAGENET}
        if value in known:
            return known[value]
    elif len(value) == 2:
        return float(value[0]), float(value[1])
    raise UserError(f"data.normalise={value}: expected imagenet, image, dataset or [mean, deviation] in 0..1")


def build_data(
    cfg: DictConfig, splits: Splits, boxes: Mapping[str, Box] | None = None, show: bool = True
) -> SegmentationData:
    """Builds the loaders' source; where normalisation is the data set's own, it is measured: see ``measured``."""
    regions = list(build_task(cfg).regions.names)
    require_regions(splits, regions)
    how = build_preprocessing(cfg.data, boxes)
    pack = open_pack(_packed(cfg, splits), regions, how, show) if cfg.data.pack else None
    if cfg.data.normalise == "dataset":
        how = replace(how, normalise=measure(CaseDataset(splits["train"], regions, how, pack)))
    transforms = build_part("augment", cfg.augment).get("transforms")
    return SegmentationData(
        splits,
        regions,
        how,
        pack=pack,
        batch_size=cfg.data.batch_size,
        workers=cfg.data.workers,
        augment=albumentations.Compose(list(transforms)) if transforms else None,
        overfit=cfg.data.overfit,
        seed=cfg.seed,
    )


def measured(cfg: DictConfig, data: SegmentationData) -> DictConfig:
    """Returns the config with the numbers that were measured of the data: what a run keeps, and is judged with."""
    if cfg.data.normalise != "dataset":
        return cfg
    return changed(cfg, {"data.normalise": list(data.how.normalise or ())})


def _packed(cfg: DictConfig, splits: Splits) -> list[Case]:
    """What one pack serves: every split that may be drawn; the publisher's test cases are never loaded from it."""
    if cfg.data.overfit is not None:
        return splits["train"][: cfg.data.overfit * cfg.data.batch_size]
    cases = [case for side in splits.values() for case in side if case.split != "test"]
    return sorted(cases, key=lambda case: case.id)


def measure(dataset: CaseDataset) -> tuple[float, float]:
    """Mean and standard deviation of all pixels, in 0..1."""
    histogram = np.zeros(256, np.int64)
    for index in range(len(dataset)):
        histogram += np.bincount(dataset.shown(index).ravel(), minlength=256)
    levels, share = np.arange(256) / 255, histogram / histogram.sum()
    mean = float((levels * share).sum())
    return round(mean, 6), round(float(np.sqrt(((levels - mean) ** 2 * share).sum())), 6)


def build_task(cfg: DictConfig) -> Task:
    """Returns what is learned."""
    task: Task = build_part("task", cfg.task)
    if not isinstance(task, Task):
        raise UserError(f"task._target_={cfg.task._target_}: expected a subclass of lungseg.tasks.base.Task")
    return task


def build_module(cfg: DictConfig) -> TaskModule:
    """Net, loss, optimizer and schedule; the seed is set here, so that equal configs start from equal weights."""
    task = build_task(cfg)
    torch.manual_seed(cfg.seed)
    model = OmegaConf.masked_copy(cfg.model, [key for key in cfg.model if key != "name"])
    net = build_part("model", model, in_channels=1, regions=len(task.parts))
    optimizer, schedule = build_part("optim", cfg.optim), build_part("schedule", cfg.schedule)
    _try_out(optimizer, schedule)
    loss = build_part("loss", cfg.loss)
    module = task.build_module(ModuleParts(net, loss, optimizer, schedule, cfg.seed, cfg.trainer.channels_last))
    module.task = task
    known = [f"val/{name}" for name in task.measured()]
    if cfg.monitor not in known:
        raise UserError(
            f"monitor={cfg.monitor}: nothing of that name is measured{suggestion(cfg.monitor, known)}; "
            f"there are {', '.join(known)}"
        )
    return module


def _try_out(optimizer: MakeOptimizer, schedule: MakeSchedule) -> None:
    """Both are only called once training starts; a key that they do not take is said before."""
    try:
        made = optimizer([torch.nn.Parameter(torch.zeros(1))])
        schedule(made, steps=2, steps_per_epoch=1)
    except (TypeError, ValueError) as error:
        raise UserError(f"optim or schedule: {error}; look at conf/optim/ and conf/schedule/") from None


def build_part(part: str, config: DictConfig, **extra: Any) -> Any:
    try:
        return instantiate(config, **extra, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__ or error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{part}: {_said(cause)}; look at conf/{part}/ for the keys it takes") from error


def _said(error: BaseException) -> str:
    """Puts an error on one line: Hydra wraps its own sentences, other libraries add details below the first line."""
    lines = str(error).splitlines() or [type(error).__name__]
    if isinstance(error, InstantiationException):
        return " ".join(line.strip() for line in lines if not line.startswith("full_key:")).rstrip(".")
    return lines[0]


def arm(cfg: DictConfig) -> str:
    return transfer(bool(cfg.pretrained or cfg.model.get("weights")), cfg.freeze_encoder)
