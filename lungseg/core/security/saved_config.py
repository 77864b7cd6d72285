"""Reads configs back from run directories, and refuses whatever would run code that a stranger chose."""

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from lungseg.core.config.compose import CONF, TrainKeys
from lungseg.core.config.key_types import SEGMENTATION
from lungseg.core.errors import UserError
from lungseg.core.migrations import with_moved_targets
from lungseg.core.security.allowed_targets import NAMES, is_allowed, slot_of
from lungseg.core.security.safe_yaml import dotted, read_yaml, shown, values_in
from lungseg.core.security.trusted_code import is_standard, modules_of

log = logging.getLogger("lungseg")

AGAIN = "restore it or train again"
GROUPS = ("task", "data", "model", "loss", "optim", "schedule", "augment", "trainer", "callbacks", "logger")
NEEDED = (  # no run can be judged or go on without these
    *(f"data.{key}" for key in ("name", "_target_", "size", "clahe", "aspect", "normalise", "batch_size", "workers")),
    *("task.name", "model.name", "model._target_", "loss._target_", "optim._target_"),
    *("schedule._target_", "augment.transforms", "trainer.accelerator", "seed", "monitor"),
)
LOGGERS = {"wandb": ("project", "group"), "tensorboard": (), "csv": ()}  # what of a saved dashboard is used again
FETCHING = {  # keys that make a library load from, or send to, a place that the config chooses
    "model": ("pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"),
    "trainer": ("model_registry", "plugins", "callbacks", "logger", "default_root_dir"),
}
ENCODER = re.compile(r"[\w.+-]+")  # no "hf-hub:..." and no path, which timm would load from
NAME = re.compile(r"\w[\w .+-]*")
LIBRARIES = (  # of which a config needs nothing but what is allowed; no module of theirs is proposed to be trusted
    *("torch", "torchvision", "pytorch_lightning", "lightning_fabric", "torchmetrics", "torchdata", "timm"),
    *("segmentation_models_pytorch", "albumentations", "albucore", "hydra", "omegaconf", "lungseg", "numpy", "scipy"),
    *("cv2", "PIL", "pandas", "joblib", "yaml", "wandb", "optuna", "sqlalchemy", "pydicom", "nibabel", "matplotlib"),
    *("cloudpickle", "dill", "setuptools", "pip", "IPython", "fsspec", "huggingface_hub", "safetensors", "sklearn"),
)
INTERPOLATION = "${"
INSTANTIATE: dict[str, Callable[[Any], bool]] = {  # Hydra's own keys beside _target_, and what they may hold
    "_partial_": lambda value: isinstance(value, bool),
    "_recursive_": lambda value: isinstance(value, bool),
    "_args_": lambda value: isinstance(value, list),
    "_convert_": lambda value: value in ("none", "partial", "object", "all"),
}


def read_saved_values(path: Path) -> dict[str, Any]:
    """Returns what a run's config.yaml says, as data: nothing is resolved, imported or built."""
    content = read_yaml(path, AGAIN)
    if not isinstance(content, dict):
        raise UserError(f"{path}: is no config; {AGAIN}")
    for group in GROUPS:
        if group in content and not isinstance(content[group], dict):
            raise UserError(f"{path}: {group} is {shown(content[group])}; expected its keys and values; {AGAIN}")
    require_plain(content, str(path))
    current: dict[str, Any] = with_moved_targets(content)
    return current


def require_buildable(values: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Returns ``values`` with today's defaults for top-level keys that they lack, known to build only known parts."""
    defaults = {one.name: one.default for one in fields(TrainKeys) if one.default is not MISSING}
    known = {*GROUPS, *defaults}
    for key in values:
        if key not in known:
            raise UserError(f"{file}: {shown(key)} is no key of a run; {AGAIN}")
    for key in NEEDED:
        group, _, name = key.rpartition(".")
        inner: Any = values.get(group, {}) if group else values
        if name not in inner or inner[name] in (None, "???"):
            raise UserError(f"{file}: has no {key}; {AGAIN}")
    values = {**values, "data": {**_shared_data_keys(), **values["data"]}}
    values.setdefault("callbacks", read_yaml(CONF / "callbacks" / "default.yaml", "restore conf/"))
    values = {**values, "task": {"_target_": SEGMENTATION, **values["task"]}}
    regions = values["task"].get("regions", [])
    is_segmentation = values["task"]["_target_"] == SEGMENTATION
    lesions = values["task"].setdefault("lesions", _lesions_among(regions)) if is_segmentation else {}
    if (
        not isinstance(regions, list)
        or (is_segmentation and not regions)
        or not all(isinstance(name, str) for name in regions)
    ):
        raise UserError(f"{file}: task.regions is {shown(regions)}; expected a list of names; {AGAIN}")
    for key, name in (("data.name", values["data"]["name"]), ("task.name", values["task"]["name"])):
        _require_name(key, name, file)
    if not isinstance(lesions, dict):
        raise UserError(f"{file}: task.lesions is {shown(lesions)}; expected names of regions, each with one; {AGAIN}")
    for name in regions:
        _require_name("task.regions", name, file)
    for name in [*lesions, *lesions.values()]:
        _require_name("task.lesions", name, file)
    require_known_code(values, str(file))
    chosen = values.get("logger", {})
    loggers = {name: _kept(chosen[name], keys) for name, keys in LOGGERS.items() if name in chosen}
    return {**defaults, **values, "logger": loggers, "trust": None}


def _shared_data_keys() -> dict[str, Any]:
    """Returns what conf/train.yaml says of all data: a run from before a key was added did as its default does."""
    keys: dict[str, Any] = read_yaml(CONF / "train.yaml", "restore conf/")["data"]
    return keys


def _lesions_among(regions: Any) -> dict[str, str]:
    """Returns what conf/task says of the same regions: a run from before the key was added means that."""
    known = OmegaConf.create(read_yaml(CONF / "task" / "lung_infection.yaml", "restore conf/")["task"]).lesions
    return {lesion: organ for lesion, organ in known.items() if isinstance(regions, list) and lesion in regions}


def _require_name(key: str, name: Any, file: Path) -> None:
    """Refuses a name that would lead to another folder: evaluations and pictures are called by it."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(f"{file}: {key} is {shown(name)}; expected a name of letters, digits, - and _; {AGAIN}")


def _kept(options: Any, keys: Collection[str]) -> dict[str, Any]:
    """Returns a dashboard's options without entity and server, which are the reader's own."""
    return {key: options[key] for key in keys if key in options} if isinstance(options, dict) else {}


def require_plain(values: Any, said: str, place: tuple[str, ...] = ()) -> None:
    """Refuses interpolations, which would read the environment, and values that are missing."""
    for where, value in values_in(values, place):
        if isinstance(value, str) and INTERPOLATION in value:
            raise UserError(
                f"{said}: {dotted(where)} is {shown(value)}, an interpolation; expected a value; {_mend(said)}"
            )


def require_known_code(values: Any, said: str, place: tuple[str, ...] = ()) -> None:
    """Refuses objects that are not lungseg's own or of a library's right kind, at every depth; ``said`` names where."""
    for where, key, value in _nodes(values, place):
        full = (*where, key)
        name = dotted(full)
        if key == "_target_" or (key in NAMES and slot_of(full)):
            _require_target(full, value, said)
        elif key in INSTANTIATE:
            if not INSTANTIATE[key](value):
                raise UserError(f"{said}: {name} is {shown(value)}, which Hydra does not know; {_mend(said)}")
        elif key.startswith("_") and key.endswith("_"):
            raise UserError(f"{said}: {name} is no key of a run; {_mend(said)}")
        elif full == ("model", "encoder") and not (isinstance(value, str) and ENCODER.fullmatch(value)):
            raise UserError(f"{said}: {name} is {shown(value)}; expected the name of an encoder, as resnet34")
        elif len(where) == 1 and key in FETCHING.get(where[0], ()):
            raise UserError(f"{said}: {name} is refused: it loads from or sends to a place that the file chooses")
        elif full == ("augment", "transforms") and not isinstance(value, list):
            raise UserError(f"{said}: {name} is {shown(value)}; expected a list of transforms")


def _nodes(values: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yields every key of every mapping and list, with where it stands and what it holds."""
    if place:
        yield place[:-1], place[-1], values
    inner = values.items() if isinstance(values, Mapping) else enumerate(values) if isinstance(values, list) else ()
    for key, value in inner:
        yield from _nodes(value, (*place, str(key)))


def _require_target(place: tuple[str, ...], target: Any, said: str) -> None:
    name = dotted(place)
    if not isinstance(target, str) or not re.fullmatch(r"\w+(\.\w+)+", target, re.ASCII):
        raise UserError(f"{said}: {name} is {shown(target)}; expected the dotted name of a class or function")
    if is_allowed(place, target):
        return
    if slot_of(place) is None and not is_standard(target):
        raise UserError(f"{said}: {name} is {target}, where no component of lungseg stands; {_mend(said)}")
    why = f"{said}: {name} is {target}, which is no part of lungseg and would run as code; "
    if is_standard(target):
        raise UserError(why + "nobody's run needs that: do not use this file")
    if target.partition(".")[0] in LIBRARIES:
        raise UserError(why + "do not use this file, unless it is your own and you named that: then say so by trust=")
    raise UserError(why + f"if that code is your own, or you have read it, add trust={target.rpartition('.')[0]}")


def _mend(said: str) -> str:
    return AGAIN if said.endswith("config.yaml") else "take it out"


def tell_paths(paths: Mapping[str, str | None], file: Path) -> None:
    """Says which files outside the run are about to be read because its config names them by these keys."""
    for key, path in paths.items():
        if path is not None:
            log.info("%s=%s is read, as %s says", key, path, file)


def own_modules(values: Any, place: tuple[str, ...] = ()) -> list[str]:
    """Returns the modules of code that a user typed and that is not lungseg's, to be trusted when it is read back."""
    modules: list[str] = []
    for where, key, value in _nodes(values, place):
        full = (*where, key)
        if (key == "_target_" or (key in NAMES and slot_of(full))) and isinstance(value, str):
            modules += [] if is_allowed(full, value) else modules_of(value)
    return list(dict.fromkeys(modules))
