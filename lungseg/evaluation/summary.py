"""Reads ``summary.json`` of a judgement, whose every value that a comparison uses is of the right kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.security.safe_json import KINDS, described, is_kind, read_object
from lungseg.core.shell_commands import evaluate_command
from lungseg.metrics.stats.patient_weights import WEIGHTS

NOTHING = type(None)
NEEDED: Mapping[str, type] = {"regions": list, "results": dict, "task": str, "data": str, "split": str, "cases": int}
KNOWN: Mapping[str, tuple[type, ...]] = {
    "unit": (str,),
    "tta": (str,),
    "threshold": (float,),
    "members": (int,),
    "command": (str, NOTHING),
    "on_training_images": (bool, NOTHING),
    "calibration": (dict, NOTHING),
}
EXPECTED = {**KINDS, bool: "true or false"}


def read_summary(path: Path) -> dict[str, Any]:
    """Reads and checks it; what is not as evaluate.py writes it is named."""
    again = f"judge the run again: {evaluate_command(path.parents[2])}"
    content = read_object(path, again)
    try:
        _require_top(content)
        for which, regions in content["results"].items():
            _require_scores(regions, f"results.{which}")
        for region, one in (content.get("calibration") or {}).items():
            _require_calibration(one, f"calibration.{region}")
    except ValueError as error:
        raise UserError(f"{path}: {error}; {again}") from None
    return content


def _require_top(content: Mapping[str, Any]) -> None:
    for key, kind in NEEDED.items():
        if not is_kind(content.get(key), kind) or not content[key]:
            raise ValueError(f"has no {key} as evaluate.py writes it")
    for key, kinds in KNOWN.items():
        if key in content:
            _require(content[key], kinds, key)
    if content.get("weight", "images") not in WEIGHTS:
        raise ValueError(f"has weight={content['weight']!r}; expected {' or '.join(WEIGHTS)}")
    names = content["regions"]
    if not all(isinstance(one, str) and one for one in names) or len(set(names)) < len(names):
        raise ValueError("regions: expected different names")


def _require_scores(regions: Any, place: str) -> None:
    """Region -> metric -> a number, nothing, or, for the severity, numbers by name."""
    _require(regions, (dict,), place)
    for region, scores in regions.items():
        _require(scores, (dict,), f"{place}.{region}")
        for metric, value in scores.items():
            _require(value, (float, dict, NOTHING), f"{place}.{region}.{metric}")
            for name, inner in (value if isinstance(value, dict) else {}).items():
                _require(inner, (float, NOTHING), f"{place}.{region}.{metric}.{name}")


def _require_calibration(content: Any, place: str) -> None:
    _require(content, (dict, NOTHING), place)
    for name, value in (content or {}).items():
        _require(value, (list,) if name == "bins" else (float, NOTHING), f"{place}.{name}")
    for point in (content or {}).get("bins", []):
        if point is not None and not (
            isinstance(point, list) and len(point) == 2 and all(is_kind(n, float) for n in point)
        ):
            raise ValueError(f"{place}.bins: {described(point)}; expected pairs of numbers")


def _require(value: Any, kinds: tuple[type, ...], place: str) -> None:
    if not is_kind(value, kinds):
        raise ValueError(f"{place} is {described(value)}; expected {EXPECTED[kinds[0]]}")
