"""Config -> data, net, module, trainer. Each is built apart, so that an error names its part."""

import inspect
from typing import Any

import albumentations
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf

from lungseg.config import suggestion
from lungseg.data.case import Case
from lungseg.data.datamodule import SegmentationData, count_workers
from lungseg.data.pack import Preprocessing
from lungseg.data.split import Splits, limit, require_regions
from lungseg.errors import UserError
from lungseg.module import MakeOptimizer, MakeSchedule, SegmentationModule
from lungseg.trainer import resolve

SHARED = ("name", "size", "batch_size", "workers", "val", "test", "clahe", "cache", "overfit", "limit")


def resolved(cfg: DictConfig) -> DictConfig:
    """The config without interpolations and without ``auto``: what will be saved, and enough to build all again."""
    content = plain(cfg)
    content["trainer"] = resolve(content["trainer"])
    content["data"]["workers"] = count_workers(content["data"]["workers"])
    return OmegaConf.create(content)


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Nothing but dicts, lists and values, interpolations resolved."""
    content = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def build_cases(data: DictConfig) -> list[Case]:
    """Call the source with its own options, which are all of ``data`` but what every data set shares."""
    source = get_method(data["_target_"])
    options = {str(key): value for key, value in data.items() if key not in (*SHARED, "_target_")}
    known = list(inspect.signature(source).parameters)
    for key in options:
        if key not in known:
            raise UserError(f"data.{key}: {data.name} has no such option{suggestion(key, known)}")
    return limit(source(**options), data.get("limit"))


def build_preprocessing(data: DictConfig) -> Preprocessing:
    for key, least in (("size", 32), ("batch_size", 1)):
        if not isinstance(data[key], int) or data[key] < least:
            raise UserError(f"data.{key}={data[key]}: expected a whole number, at least {least}")
    return Preprocessing(size=data.size, clahe=data.clahe)


def build_data(cfg: DictConfig, splits: Splits, show: bool = True) -> SegmentationData:
    require_regions(splits, cfg.task.regions)
    transforms = _instantiate("augment", cfg.augment).get("transforms")
    return SegmentationData(
        splits,
        cfg.task.regions,
        build_preprocessing(cfg.data),
        batch_size=cfg.data.batch_size,
        workers=cfg.data.workers,
        cache=cfg.data.cache,
        augment=albumentations.Compose(list(transforms)) if transforms else None,
        overfit=cfg.data.overfit,
        seed=cfg.seed,
        show=show,
    )


def build_module(cfg: DictConfig) -> SegmentationModule:
    """Net, loss, optimizer and schedule; the seed is set here, so that equal configs start from equal weights."""
    torch.manual_seed(cfg.seed)
    model = OmegaConf.masked_copy(cfg.model, [key for key in cfg.model if key != "name"])
    net = _instantiate("model", model, in_channels=1, regions=len(cfg.task.regions))
    optimizer, schedule = _instantiate("optim", cfg.optim), _instantiate("schedule", cfg.schedule)
    _try_out(optimizer, schedule)
    return SegmentationModule(
        net,
        _instantiate("loss", cfg.loss),
        list(cfg.task.regions),
        optimizer,
        schedule,
        seed=cfg.seed,
        channels_last=cfg.trainer.channels_last,
    )


def _try_out(optimizer: MakeOptimizer, schedule: MakeSchedule) -> None:
    """Both are only called once training starts; a key that they do not take is said before."""
    try:
        made = optimizer([torch.nn.Parameter(torch.zeros(1))])
        schedule(made, steps=2, steps_per_epoch=1)
    except (TypeError, ValueError) as error:
        raise UserError(f"optim or schedule: {error}; look at conf/optim/ and conf/schedule/") from None


def _instantiate(part: str, config: DictConfig, **extra: Any) -> Any:
    try:
        return instantiate(config, **extra, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__ or error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"{part}: {str(cause).splitlines()[0]}; look at conf/{part}/ for the keys it takes") from error


def arm(cfg: DictConfig) -> str:
    """Which arm of transfer learning: scratch, finetuned or frozen (frozen-random: nothing was learnt before)."""
    if cfg.freeze_encoder:
        return "frozen" if cfg.pretrained else "frozen-random"
    return "finetuned" if cfg.pretrained else "scratch"
