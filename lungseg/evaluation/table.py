"""The tables that a person reads at the end of a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lungseg.evaluation.flattery import NAMES
from lungseg.statistics.bootstrap import FEW
from lungseg.tables import aligned

HEADER: tuple[str, ...] = ("", "Dice [95% CI]", "IoU [95% CI]", "precision", "recall", "false alarms")


def render(summary: Mapping[str, Any]) -> str:
    """A block of lines per region: the net, the mean mask, all background; then what else was measured."""
    lines = [
        f"{summary['split']} of {summary['data']}: {summary['cases']} cases of {summary['patients']} patients, "
        f"threshold {summary['threshold']:g}"
        + (f", tta {summary['tta']}" if summary["tta"] != "none" else "")
        + (f", ensemble of {summary['members']}" if summary.get("members", 1) > 1 else "")
    ]
    for region in summary["regions"]:
        first = summary["results"]["model"][region]
        columns = slice(None) if first["n_empty"] else slice(-1)  # no false alarm where every case has the region
        rows: list[tuple[str, ...]] = [HEADER[columns]]
        for name, scores in summary["results"].items():
            rows.append(_row(_said(name, summary, region), scores[region])[columns])
        lines += [
            "",
            f"{region} ({first['n_reference']} cases with it, {first['n_empty']} without)",
            *(f"  {line}" for line in aligned(rows)),
            *(f"  {line}" for line in _further(first, summary, region)),
            *(f"  {line}" for line in _flattery(summary, region)),
        ]
    if summary["patients"] < FEW:
        lines += ["", f"intervals over fewer than {FEW} patients are rough"]
    return "\n".join(lines)


def _said(name: str, summary: Mapping[str, Any], region: str) -> str:
    if name != "tuned":
        return name.replace("_", " ")
    return f"at {summary['thresholds_from_validation'][region]:.2f}, by validation"


def _row(name: str, scores: Mapping[str, Any]) -> tuple[str, ...]:
    alarms = "-" if scores["n_empty"] == 0 else f"{scores['false_alarm_rate']:.0%}"
    return (
        name,
        _interval(scores, "dice"),
        _interval(scores, "iou"),
        _number(scores["precision"]),
        _number(scores["recall"]),
        alarms,
    )


def _further(scores: Mapping[str, Any], summary: Mapping[str, Any], region: str) -> list[str]:
    """Surfaces, lesions, severity, calibration of the net; nothing of what no case defines."""
    if scores["n_reference"] == 0 or "hd95" not in scores:
        return []
    unit = summary["unit"]
    middle = sorted(summary["tolerances"])[len(summary["tolerances"]) // 2]
    lines = [
        f"surface: HD95 {_interval(scores, 'hd95', 1)} {unit}, ASSD {_interval(scores, 'assd', 2)} {unit}, "
        f"Dice within {middle:g} {unit} {_interval(scores, f'nsd_{middle:g}')}"
    ]
    if "lesion_f1" in scores:
        lines.append(
            f"lesions: {scores['lesions_found']} of {scores['lesions']} found, "
            f"{scores['lesions_predicted']} predicted, F1 per case {_interval(scores, 'lesion_f1')}"
        )
    severity = scores.get("severity")
    if severity and severity["cases"]:
        lines.append(
            f"infected share of the lungs: bias {_percent(severity['bias'])}, mean error "
            f"{_percent(severity['mean_absolute_error'], '')}, 95% of the errors within "
            f"[{_percent(severity['lower_limit'])}, {_percent(severity['upper_limit'])}], correlation "
            f"{_number(severity['pearson'], 2)}"
        )
    found = summary["calibration"][region]
    lines.append(f"calibration: expected error {_number(found['expected_error'])}, Brier {_number(found['brier'], 4)}")
    return lines


def _flattery(summary: Mapping[str, Any], region: str) -> list[str]:
    if not summary.get("legacy"):
        return []
    rows: list[Sequence[str]] = [("by definitions that circulate, the same predictions score", "", "")]
    for name, said in NAMES.items():
        found = summary["legacy"][region][name]
        rows.append((f"  {said}", _number(found["value"]), found["why"]))
    return ["", rows[0][0], *aligned(rows[1:])]


def _percent(value: float | None, sign: str = "+") -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:{sign}.1f}%"


def _interval(scores: Mapping[str, Any], name: str, digits: int = 3) -> str:
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    if any(bound is None or math.isnan(bound) for bound in (low, high)):
        return _number(scores[name], digits)
    return f"{_number(scores[name], digits)} [{low:.{digits}f}, {high:.{digits}f}]"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"
