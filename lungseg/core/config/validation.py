"""Checks every value of a config before anything starts, and converts text that holds a number.

Torch is imported only where a component has a key that ``lungseg.core.config.key_types`` does not know.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from lungseg.core.config import key_types as declared
from lungseg.core.config import source_types
from lungseg.core.config.compose import EvaluateKeys, TrainKeys, suggestion
from lungseg.core.config.key_types import Kinds
from lungseg.core.config.signature_types import SET_HERE, Signature, signature_of
from lungseg.core.config.value_combinations import require_combinations, require_folds
from lungseg.core.config.value_types import convert, is_list, shown
from lungseg.core.errors import UsageError, UserError
from lungseg.core.migrations import with_moved_targets

Values = dict[str, Any]
NEEDED_BY_TRAINER = ("max_epochs", "accelerator", "devices", "precision", "channels_last", "save_every_minutes")
GROUPS: Mapping[str, Kinds] = {
    "": declared.TOP, "task": declared.TASK, "data": declared.DATA, "trainer": declared.TRAINER
}  # fmt: skip


def require_values(config: Mapping[str, Any]) -> Values:
    """Returns a resolved config of train.py with each value as its key takes it; the first that cannot be is told."""
    known = [field.name for field in fields(TrainKeys)]
    _require_known("", config, known)
    _require_keys("", config, known)
    content = _converted("", with_moved_targets(config), declared.TOP)
    for part in ("task", "data", "model", "loss", "optim", "schedule", "augment", "trainer", "callbacks", "logger"):
        _require_mapping(part, content[part])
    content["task"] = _task(content["task"])
    content["data"] = require_data(content["data"])
    _require_keys("data.", content["data"], [*declared.DATA, "_target_"])
    require_folds(content["data"])
    for part in ("model", "loss", "optim", "schedule"):
        content[part] = _component(part, content[part])
    _require_keys("model.", content["model"], ("name",))
    content["augment"] = _augment(content["augment"])
    content["trainer"] = _trainer(content["trainer"])
    content["callbacks"] = _callbacks(content["callbacks"])
    content["logger"] = _logger(content["logger"])
    require_combinations(content)
    return content


def require_data(data: Mapping[str, Any]) -> Values:
    """Returns ``data`` alone with each value as its key takes it; its source says which keys it does not know."""
    target = data.get("_target_")
    of_source = source_types.SOURCES.get(str(target))
    content = _converted(
        "data.", data, {**declared.OF_HYDRA, **source_types.ROOT, **(of_source or {}), **declared.DATA}
    )
    if of_source is None and target is not None:
        others = {key for key in content if key not in (*declared.DATA, *declared.OF_HYDRA)}
        signature = signature_of(str(target)) if others else None
        kinds = signature.kinds if signature else {}
        content = _converted("data.", content, {key: kinds[key] for key in others if key in kinds})
    return content


def require_options(options: Mapping[str, Any]) -> Values:
    """Returns a resolved config of evaluate.py with each value as its key takes it."""
    _require_known("", options, [field.name for field in fields(EvaluateKeys)])
    if options.get("split") == "train":
        raise UserError(
            "split=train: a score on training images says nothing of new patients; expected test, val or all"
        )
    content = _converted("", options, declared.EVALUATE)
    if content.get("data") is not None:
        _require_mapping("data", content["data"])
        content["data"] = require_data(content["data"])
    return content


def _component(part: str, config: Mapping[str, Any], at: str = "") -> Values:
    """Converts the keys that ``_target_`` is called with: as declared, else as its signature says."""
    place = f"{at or part}."
    _require_keys(place, config, ("_target_",))
    target = str(config["_target_"])
    kinds = declared.COMPONENTS[part].get(target, {})
    kinds = {**declared.OF_HYDRA, **(declared.OF_A_TRANSFORM if part == "augment" else {}), **kinds}
    content = _converted(place, config, kinds)
    others = [key for key in content if key not in kinds and not (part == "model" and key == "name")]
    return _as_signed(part, place, content, others, _signed(part, content)) if others else content


def _signed(part: str, content: Mapping[str, Any]) -> Signature | None:
    """Returns the target's signature; a net of smp hands what it does not know on to its architecture."""
    target = str(content.get("arch", content["_target_"]))
    if part == "trainer":
        target = "pytorch_lightning.Trainer"
    return signature_of(target, part)


def _as_signed(part: str, place: str, content: Values, others: Iterable[str], signature: Signature | None) -> Values:
    for key in others:
        if key in SET_HERE.get(part, ()):
            raise UsageError(f"{place}{key}: is set by lungseg itself; leave it out")
        if signature is not None and key not in signature.kinds and not signature.open:
            near = suggestion(key, [name for name in (*signature.kinds, *content) if name != key])
            raise UsageError(f"{place}{key}: {signature.name} has no such option{near}")
    if signature is None:
        return content
    nested = {key for key in others if _is_component(content[key])}  # what it will be is not known yet
    return _converted(
        place, content, {k: signature.kinds[k] for k in others if k in signature.kinds and k not in nested}
    )


def _is_component(value: Any) -> bool:
    if is_list(value):
        return any(map(_is_component, value))
    return isinstance(value, Mapping) and "_target_" in value


def _task(config: Mapping[str, Any]) -> Values:
    """Converts the keys of a task: those of segmented regions are declared, others as its signature says."""
    target = config.get("_target_", declared.SEGMENTATION)
    if target == declared.SEGMENTATION:
        _require_keys("task.", config, declared.TASK)
        return _converted("task.", {"_target_": target, **config}, {**declared.OF_HYDRA, **declared.TASK})
    _require_keys("task.", config, ("name",))
    return _component("task", config)


def _augment(config: Mapping[str, Any]) -> Values:
    _require_known("augment.", config, ("transforms",))
    transforms = config.get("transforms")
    if transforms is None:
        return dict(config)
    if not is_list(transforms):
        raise UserError(f"augment.transforms={shown(transforms)}: expected a list, as conf/augment/light.yaml has it")
    for number, transform in enumerate(transforms):
        _require_mapping(f"augment.transforms.{number}", transform)
    found = [_component("augment", one, f"augment.transforms.{number}") for number, one in enumerate(transforms)]
    return {**config, "transforms": found}


def _trainer(config: Mapping[str, Any]) -> Values:
    _require_keys("trainer.", config, NEEDED_BY_TRAINER)
    content = _converted("trainer.", config, declared.TRAINER)
    others = [key for key in content if key not in declared.TRAINER]
    return (
        _as_signed("trainer", "trainer.", content, others, _signed("trainer", {"_target_": ""})) if others else content
    )


def _callbacks(config: Mapping[str, Any]) -> Values:
    """Converts each callback's own keys; null takes one away."""
    for name, one in config.items():
        if one is not None:
            _require_mapping(f"callbacks.{name}", one)
    return {
        str(name): None if one is None else _component("callbacks", one, f"callbacks.{name}")
        for name, one in config.items()
    }


def _logger(config: Mapping[str, Any]) -> Values:
    _require_known("logger.", config, list(declared.LOGGERS))
    content = dict(config)
    for name, options in config.items():
        if options is not None:
            _require_mapping(f"logger.{name}", options)
            _require_known(f"logger.{name}.", options, list(declared.LOGGERS[name]))
            content[name] = _converted(f"logger.{name}.", options, declared.LOGGERS[name])
    return content


def _converted(place: str, config: Mapping[str, Any], kinds: Kinds) -> Values:
    """Returns a copy in which each key that has a kind is of it."""
    return {
        str(key): convert(f"{place}{key}", kinds[key], value) if key in kinds else value
        for key, value in config.items()
    }


def _require_known(place: str, config: Mapping[str, Any], known: Iterable[str]) -> None:
    listed = list(known)
    for key in config:
        if key not in listed:
            there = f"there are {', '.join(listed)}" if len(listed) < 8 and listed else ""
            said = "; ".join(filter(None, [f"{place}{key}: no such key", there]))
            raise UsageError(f"{said}{suggestion(str(key), listed)}")


def _require_keys(place: str, config: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if key not in config:
            raise _needed(f"{place}{key}")


def _require_mapping(key: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise UserError(f"{key}={shown(value)}: expected keys with values, as conf/ has them; look at --cfg job")


def _needed(key: str) -> UsageError:
    group, _, name = key.rpartition(".")
    kind = GROUPS.get(group, {}).get(name)
    return UsageError(f"{key}: a value is needed; add {key}={kind.example if kind is not None else '...'}")
