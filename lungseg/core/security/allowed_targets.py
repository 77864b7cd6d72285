"""Says which objects a config that was read back may name: those of conf/, and classes of the right kind."""

import re
import sys
from importlib import import_module
from typing import Any

from lungseg.core.config.compose import CONF
from lungseg.core.security.trusted_code import is_trusted

NAMES = ("_target_", "arch")  # the keys whose value names an object
KINDS = {  # slot -> library, and the classes of it that the slot may hold
    "optim._target_": ("torch.optim", ("Optimizer",)),
    "model.arch": ("segmentation_models_pytorch", ("base.SegmentationModel",)),
    "augment._target_": (
        "albumentations",
        ("core.transforms_interface.BasicTransform", "core.composition.BaseCompose"),
    ),
    "callbacks._target_": (
        "pytorch_lightning",
        ("callbacks.LearningRateMonitor", "callbacks.StochasticWeightAveraging", "callbacks.Timer"),
    ),
}


def slot_of(place: tuple[str, ...]) -> str | None:
    """Returns the slot of a key that names an object, None where no component of lungseg stands.

    Transforms stand within each other, and so do losses; callbacks stand side by side.
    """
    if place[-1] == "_target_" and (
        place[:2] == ("augment", "transforms") or place[0] == "loss" or (place[0] == "callbacks" and len(place) == 3)
    ):
        return f"{place[0]}._target_"
    slot = ".".join(place)
    return (
        slot if len(place) == 2 and place[1] in NAMES and (CONF / place[0]).is_dir() and _named_in_conf(slot) else None
    )


def is_allowed(place: tuple[str, ...], target: str) -> bool:
    """Returns whether ``target`` may stand at ``place``; nothing is imported that lungseg does not import itself.

    What the user trusts may stand anywhere.
    """
    slot = slot_of(place)
    known = slot is not None and (target in _named_in_conf(slot) or _is_of_kind(slot, target))
    return known or is_trusted(target)


def _named_in_conf(slot: str) -> frozenset[str]:
    """Returns what this installation's own conf/ names for a slot; a user's --config-dir adds nothing."""
    group, key = slot.split(".")
    pattern = re.compile(rf"^[ -]*{key}: *([\w.]+)", re.MULTILINE)
    texts = [path.read_text("utf-8") for path in (CONF / group).glob("*.yaml")]
    return frozenset(name for text in texts for name in pattern.findall(text))


def _is_of_kind(slot: str, target: str) -> bool:
    """Returns whether ``target`` is a class of the slot's kind, found in its library without importing more of it."""
    library, kinds = KINDS.get(slot, ("", ()))
    if not library or not target.startswith(f"{library}."):
        return False
    root = import_module(library)
    bases = tuple(_attribute(root, kind) for kind in kinds)
    found = _attribute(root, target.removeprefix(f"{library}."))
    return isinstance(found, type) and issubclass(found, bases) and found.__module__.startswith(library)


def _attribute(start: Any, dotted: str) -> Any:
    """Walks attributes by name; a module that is not loaded yet is not loaded for it."""
    found = start
    for name in dotted.split("."):
        if isinstance(found, type(sys)) and name.startswith("_"):
            return None
        found = getattr(found, name, None)
    return found
