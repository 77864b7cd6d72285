"""The table that a person reads at the end of a run."""

import math
from collections.abc import Mapping
from typing import Any

from lungseg.tables import aligned

FEW = 10
HEADER = ("", "Dice [95% CI]", "IoU [95% CI]", "precision", "recall", "false alarms")


def render(summary: Mapping[str, Any]) -> str:
    """A block of lines per region: the net, the mean mask, all background."""
    lines = [
        f"{summary['split']} of {summary['data']}: {summary['cases']} cases of {summary['patients']} patients, "
        f"threshold {summary['threshold']:g}" + (f", tta {summary['tta']}" if summary["tta"] != "none" else "")
    ]
    for region in summary["regions"]:
        first = summary["results"]["model"][region]
        columns = (
            slice(None) if first["n_empty"] else slice(-1)
        )  # no false alarm can be where every case has the region
        results = summary["results"].items()
        rows = [HEADER[columns], *(_row(name, scores[region])[columns] for name, scores in results)]
        lines += [
            "",
            f"{region} ({first['n_reference']} cases with it, {first['n_empty']} without)",
            *(f"  {line}" for line in aligned(rows)),
        ]
    if summary["patients"] < FEW:
        lines += ["", f"intervals over fewer than {FEW} patients are rough"]
    return "\n".join(lines)


def _row(name: str, scores: Mapping[str, Any]) -> tuple[str, ...]:
    alarms = "-" if scores["n_empty"] == 0 else f"{scores['false_alarm_rate']:.0%}"
    return (
        name.replace("_", " "),
        _interval(scores, "dice"),
        _interval(scores, "iou"),
        _number(scores["precision"]),
        _number(scores["recall"]),
        alarms,
    )


def _interval(scores: Mapping[str, Any], name: str) -> str:
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    if any(bound is None or math.isnan(bound) for bound in (low, high)):
        return _number(scores[name])
    return f"{_number(scores[name])} [{low:.3f}, {high:.3f}]"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
