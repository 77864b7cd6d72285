"""Config -> data, net, module, trainer. Each is built apart, so that an error names its part."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import albumentations
import numpy as np
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from lungseg.core.config.component import Component, TaskConfig
from lungseg.core.config.compose import suggestion
from lungseg.core.config.data_config import DataConfig, LoaderConfig, PreprocessingConfig
from lungseg.core.config.signature_types import signature_of
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.device import resolve
from lungseg.core.errors import UserError
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.datamodule import CaseDataModule, Datasets, count_workers
from lungseg.data.dataset import CaseDataset
from lungseg.data.packed_cache import open_pack
from lungseg.data.preprocessing import IMAGENET, Normalisation, Preprocessing
from lungseg.data.splits import Splits, require_regions
from lungseg.data.view import View
from lungseg.data.volumes.patch_preprocessing import PatchPreprocessing
from lungseg.data.volumes.patches import DrawnPatches, TiledPatches
from lungseg.data.volumes.preprocessing import SlicePreprocessing
from lungseg.data.volumes.slices import SliceDataset
from lungseg.tasks.base import Task
from lungseg.tasks.module import MakeOptimizer, MakeSchedule, ModuleParts, TaskModule

Boxes = Mapping[str, Any]  # by case id: a Box of a picture, a VolumeBox of a volume


def resolved(cfg: TrainConfig) -> TrainConfig:
    """The config without ``auto``: what will be saved, and enough to build all again."""
    loader = replace(cfg.data.loader, workers=count_workers(cfg.data.loader.workers))
    return replace(cfg, trainer=resolve(cfg.trainer), data=replace(cfg.data, loader=loader), trust=None)


def build_preprocessing(how: PreprocessingConfig, boxes: Boxes | None = None) -> View:
    """``dataset`` is measured later and is ImageNet's until then."""
    known = {"imagenet": IMAGENET, "image": None, "dataset": IMAGENET}
    normalise = known[how.normalise] if isinstance(how.normalise, str) else how.normalise
    if how.view is not None:
        return _volume_view(how, normalise, boxes)
    return Preprocessing(size=how.size, clahe=how.clahe, aspect=how.aspect, boxes=boxes or {}, normalise=normalise)


def _volume_view(how: PreprocessingConfig, normalise: Normalisation, boxes: Mapping[str, Any] | None) -> View:
    if how.patch is None:
        return SlicePreprocessing(
            window=how.window, normalise=normalise, clahe=how.clahe, boxes=boxes or {},
            size=how.size, neighbours=how.neighbours, aspect=how.aspect,
        )  # fmt: skip
    if isinstance(how.spacing, str):
        raise TypeError("data.spacing=auto is measured first")
    return PatchPreprocessing(
        window=how.window, normalise=normalise, clahe=how.clahe, boxes=boxes or {},
        patch=how.patch, spacing=how.spacing, neighbours=None if how.sees_volumes else how.neighbours,
    )  # fmt: skip


def _datasets(data: DataConfig) -> Datasets:
    how, loader = data.preprocessing, data.loader
    if how.view is None:
        return Datasets(CaseDataset, CaseDataset)
    if how.patch is None:
        return Datasets(SliceDataset, SliceDataset)
    drawn = partial(DrawnPatches, number=loader.patches_per_volume, foreground=loader.foreground)
    return Datasets(drawn, TiledPatches)


def build_data(cfg: TrainConfig, splits: Splits, boxes: Boxes | None = None, show: bool = True) -> CaseDataModule:
    """Builds the loaders' source; where normalisation is the data set's own, it is measured: see ``measured``."""
    task = build_task(cfg.task)
    datasets = _datasets(cfg.data)
    regions = list(task.regions.names)
    require_regions(splits, regions)
    loader, how = cfg.data.loader, build_preprocessing(cfg.data.preprocessing, boxes)
    pack = open_pack(_packed(loader, splits), regions, how, show) if loader.pack else None
    reader = CaseReader(regions, how, pack, task.targets)
    if cfg.data.preprocessing.normalise == "dataset":
        levels = measure(datasets.train(splits["train"], reader, None, cfg.seed))
        reader = replace(reader, how=build_preprocessing(replace(cfg.data.preprocessing, normalise=levels), boxes))
    transforms = [build_part("augment", transform) for transform in cfg.augment.transforms]
    augment = albumentations.Compose(transforms) if transforms else None
    return CaseDataModule(splits, reader, loader, augment, cfg.seed, datasets)


def measured(cfg: TrainConfig, data: CaseDataModule) -> TrainConfig:
    """Returns the config with the numbers that were measured of the data: what a run keeps, and is judged with."""
    numbers = data.reader.how.normalise
    if cfg.data.preprocessing.normalise != "dataset" or numbers is None:
        return cfg
    return cfg.normalised_by(*numbers)


def _packed(loader: LoaderConfig, splits: Splits) -> list[Case]:
    """What one pack serves: every split that may be drawn; the publisher's test cases are never loaded from it."""
    if loader.overfit is not None:
        return splits["train"][: loader.overfit * loader.batch_size]
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


def build_task(config: TaskConfig) -> Task:
    """Returns what is learned."""
    task: Task = build_part("task", config)
    if not isinstance(task, Task):
        raise UserError(f"task._target_={config.target}: expected a subclass of lungseg.tasks.base.Task")
    return task


def build_module(cfg: TrainConfig) -> TaskModule:
    """Net, loss, optimizer and schedule; the seed is set here, so that equal configs start from equal weights."""
    task = build_task(cfg.task)
    torch.manual_seed(cfg.seed)
    net = build_part("model", cfg.model.net, in_channels=cfg.data.preprocessing.channels, regions=len(task.parts))
    better = {f"val/{name}": higher for name, higher in task.measured().items()}
    _require_measured("monitor", cfg.monitor, better)
    optimizer = build_part("optim", cfg.optim)
    schedule = build_part("schedule", cfg.schedule, **_direction(cfg.schedule, better))
    _try_out(optimizer, schedule)
    loss = build_part("loss", cfg.loss)
    module = task.build_module(ModuleParts(net, loss, optimizer, schedule, cfg.seed, bool(cfg.trainer.channels_last)))
    module.task = task
    return module


def _direction(schedule: Component, better: Mapping[str, bool]) -> dict[str, str]:
    """Tells a schedule that follows a metric whether larger is better, if it asks and was not told."""
    monitor, signature = schedule.options.get("monitor"), signature_of(schedule.target, "schedule")
    if monitor is None or "mode" in schedule.options or signature is None or "mode" not in signature.kinds:
        return {}
    _require_measured("schedule.monitor", monitor, better)
    return {"mode": "max" if better[monitor] else "min"}


def _require_measured(key: str, name: str, better: Mapping[str, bool]) -> None:
    if name not in better:
        known = list(better)
        raise UserError(
            f"{key}={name}: nothing of that name is measured{suggestion(name, known)}; there are {', '.join(known)}"
        )


def _try_out(optimizer: MakeOptimizer, schedule: MakeSchedule) -> None:
    """Both are only called once training starts; a key that they do not take is said before."""
    try:
        made = optimizer([torch.nn.Parameter(torch.zeros(1))])
        schedule(made, steps=2, steps_per_epoch=1)
    except (TypeError, ValueError) as error:
        raise UserError(f"optim or schedule: {error}; look at conf/optim/ and conf/schedule/") from None


def build_part(part: str, component: Component, **extra: Any) -> Any:
    """Calls what ``component`` names; ``part`` is its group in conf/."""
    try:
        return instantiate(component.to_dict(), **extra, _convert_="all")
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
