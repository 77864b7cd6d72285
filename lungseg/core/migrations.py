"""Keeps older runs usable: what their configs name by its earlier place is found at today's."""

from collections.abc import Mapping
from typing import Any

MOVED_MODULES = {  # those that a config of an earlier version may name
    "lungseg.losses": "lungseg.tasks.losses.segmentation",
    "lungseg.schedules": "lungseg.training.lr_schedules",
    "lungseg.trainer": "lungseg.training.trainer",
}


def with_moved_targets(values: Any) -> Any:
    """Returns the same values, each ``_target_`` that has moved under its new name."""
    if isinstance(values, Mapping):
        return {key: _moved(inner) if key == "_target_" else with_moved_targets(inner) for key, inner in values.items()}
    if isinstance(values, list):
        return [with_moved_targets(inner) for inner in values]
    return values


def _moved(target: Any) -> Any:
    if not isinstance(target, str):
        return target
    module, _, name = target.rpartition(".")
    return f"{MOVED_MODULES[module]}.{name}" if module in MOVED_MODULES else target
