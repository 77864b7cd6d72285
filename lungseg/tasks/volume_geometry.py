"""Measures what a net for volumes needs to know of them before it is built: their spacing, and how to halve patches."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lungseg.core.config.signature_types import signature_of
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import DataError
from lungseg.data.case import Case
from lungseg.data.io.spacing import spacing
from lungseg.models.unet3d import auto_strides

AUTO = "auto"


def with_geometry(cfg: TrainConfig, train: Sequence[Case]) -> TrainConfig:
    """Returns the config without ``data.spacing=auto`` and ``model.strides=auto``: what will be saved."""
    how, net = cfg.data.preprocessing, cfg.model.net
    if how.patch is None:
        return cfg
    strides = net.options.get("strides", AUTO) if _takes_strides(net.target) else None
    if AUTO not in (how.spacing, strides):
        return cfg
    median = median_spacing(train) if how.spacing is None or isinstance(how.spacing, str) else how.spacing
    spaced = replace(how, spacing=median) if how.spacing == AUTO else how
    if strides == AUTO:
        steps = auto_strides(how.patch, median, int(net.options.get("depth", 4)))
        net = replace(net, options={**net.options, "strides": [list(step) for step in steps]})
    return replace(cfg, data=replace(cfg.data, preprocessing=spaced), model=replace(cfg.model, net=net))


def median_spacing(cases: Sequence[Case]) -> tuple[float, float, float]:
    """Returns the median of the volumes' millimetres along z, y and x."""
    sizes = [size for case in cases if (size := spacing(case)) is not None and len(size) == 3]
    if not sizes:
        raise DataError("data.spacing=auto: no training volume says how large its voxels are; give [z,y,x] millimetres")
    z, y, x = (round(float(size), 4) for size in np.median(np.array(sizes), axis=0))
    return z, y, x


def _takes_strides(target: str) -> bool:
    signature = signature_of(target, "model")
    return signature is not None and "strides" in signature.kinds
