"""Writes what a person reads of a region at the end of a run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lungseg.core.plural import plural
from lungseg.core.security.printable_text import one_line
from lungseg.core.text_tables import aligned
from lungseg.tasks.report_lines import Scores, interval, number, rough_intervals, unknown
from lungseg.tasks.segmentation.columns import METRICS, SIZES, nsd_name, segmentation_columns
from lungseg.tasks.segmentation.flawed_definitions import NAMES

HEADER: tuple[str, ...] = ("", "Dice [95% CI]", "IoU [95% CI]", "precision", "recall", "specificity", "false alarms")
SAID = {"dice": "Dice", "iou": "IoU"}


def region_lines(summary: Mapping[str, Any], region: str) -> list[str]:
    """Returns a table of the net, the mean mask and all background; then what else was measured of one region."""
    first = summary["results"]["model"][region]
    columns = slice(None) if first["n_empty"] else slice(-1)  # no false alarm where every case has the region
    rows: list[tuple[str, ...]] = [HEADER[columns]]
    for name, scores in summary["results"].items():
        rows.append(_row(_said(name, summary, region), scores[region])[columns])
    declared = segmentation_columns(summary.get("unit", "px"), summary.get("tolerances", ()))
    return [
        f"{one_line(region)} ({plural(first['n_reference'], 'case')} with it, {first['n_empty']} without)",
        *(f"  {line}" for line in aligned(rows)),
        *(f"  {line}" for line in _further(first, summary, region)),
        *(f"  {line}" for line in rough_intervals(first, declared)),
        *_flattery(summary, region),
    ]


def _said(name: str, summary: Mapping[str, Any], region: str) -> str:
    if name != "tuned":
        return name.replace("_", " ")
    where = "chosen on these cases" if summary.get("tuned_on_these_cases") else "by validation"
    return f"at {summary['thresholds_from_validation'][region]:.2f}, {where}"


def _row(name: str, scores: Scores) -> tuple[str, ...]:
    alarms = "-" if scores["n_empty"] == 0 else f"{scores['false_alarm_rate']:.0%}"
    numbers = (number(scores[column]) for column in ("precision", "recall", "specificity"))
    return (name, interval(scores, "dice"), interval(scores, "iou"), *numbers, alarms)


def _further(scores: Scores, summary: Mapping[str, Any], region: str) -> list[str]:
    """Tells what else is known of the net; nothing of what no case defines."""
    if "hd95" not in scores:
        return []
    lines = []
    if scores["n_reference"]:
        lines += [_pooled(scores), *_surface(scores, summary["unit"], summary["tolerances"])]
    if scores["n_empty"]:
        lines.append(
            f"without it: a false alarm in {_share(scores, 'false_alarm_rate')} of "
            f"the {plural(scores['n_empty'], 'case')}, "
            f"on {100 * scores['false_alarm_area']:.2g}% of the image on average"
        )
    if scores.get("lesions"):
        lines += _lesions(scores)
    severity = scores.get("severity")
    if severity and severity["cases"]:
        lines.append(_severity(severity, summary["cases"], summary.get("weight") == "patients"))
    found = summary["calibration"][region]
    lines.append(
        f"calibration: expected error {number(found['expected_error'])}, of the worst bin "
        f"{number(found['maximum_error'])}, Brier {number(found['brier'], 4)}"
    )
    return lines


def _pooled(scores: Scores) -> str:
    parts = [f"{SAID.get(name, name)} {number(scores[f'pooled_{name}'])}" for name in METRICS]
    return f"all pixels pooled: {', '.join(parts)}"


def _surface(scores: Scores, unit: str, tolerances: Sequence[float]) -> list[str]:
    within = [f"{interval(scores, nsd_name(one))} within {one:g} {unit}" for one in sorted(tolerances)]
    missed = scores["n_missed"]
    said = f" (the image's diagonal in {missed} where nothing was found)" if missed else ""
    return [
        f"surface: HD95 {interval(scores, 'hd95', 1)} {unit}, ASSD {interval(scores, 'assd', 2)} {unit}{said}",
        f"surface Dice: {', '.join(within)}",
    ]


def _lesions(scores: Scores) -> list[str]:
    names = list(SIZES)
    limits = [f"under {SIZES[names[0]][1]:.1%}", "", f"from {SIZES[names[-1]][0]:.0%} of the image"]
    sizes = [
        f"{name}{f' ({limit})' if limit else ''} {scores[f'lesions_found_{name}']} of {scores[f'lesions_{name}']}"
        for name, limit in zip(names, limits, strict=True)
        if scores[f"lesions_{name}"]
    ]
    return [
        f"lesions: {scores['lesions_found']} of {scores['lesions']} found, {scores['lesions_predicted']} predicted: "
        f"F1 {number(scores['lesion_f1_pooled'])}, per case {interval(scores, 'lesion_f1')}",
        f"lesions found by size: {', '.join(sizes)}",
    ]


def _severity(found: Mapping[str, Any], cases: int, over_cases: bool) -> str:
    """Bland and Altman's numbers, which are of single cases, whatever other means are over."""
    some = f" ({found['cases']} of {cases} cases)" if found["cases"] < cases or over_cases else ""
    parts = [
        f"bias {_percent(found['bias'])}",
        f"mean error {_percent(found['mean_absolute_error'], '')}",
        f"95% of the errors within [{_percent(found['lower_limit'])}, {_percent(found['upper_limit'])}]",
        f"correlation {number(found['pearson'], 2)}",
        f"concordance {number(found['concordance'], 2)}",
    ]
    known = [part for part in parts if not part.endswith((" -", "-]"))]
    return f"infected share of the lungs{some}: {', '.join(known)}"


def _flattery(summary: Mapping[str, Any], region: str) -> list[str]:
    if not summary.get("legacy"):
        return []
    found = summary["legacy"][region]
    rows = [(said, number(found[name]["value"]), found[name]["why"]) for name, said in NAMES.items()]
    return ["  by definitions that circulate the same predictions score", *(f"    {line}" for line in aligned(rows))]


def _percent(value: float | None, sign: str = "+") -> str:
    return "-" if value is None or math.isnan(value) else f"{100 * value:{sign}.1f}%"


def _share(scores: Scores, name: str) -> str:
    low, high = scores[f"{name}_low"], scores[f"{name}_high"]
    return f"{scores[name]:.0%}" + ("" if unknown(low, high) else f" [{low:.0%}, {high:.0%}]")
