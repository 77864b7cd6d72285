"""What a comparison's page is drawn from: plain data, in the order of the group's runs and cases."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from lungseg.comparison.analysis import MOST_PAIRS, Analysis
from lungseg.comparison.configurations import Configuration
from lungseg.comparison.grouping import Group
from lungseg.comparison.judged_run import JudgedRun
from lungseg.comparison.render.case_data import case_data
from lungseg.comparison.report import Report, warnings
from lungseg.comparison.score_type import ScoreType
from lungseg.comparison.verdict import identical_mark, sentence
from lungseg.core.plural import plural
from lungseg.core.security.printable_text import one_line
from lungseg.core.shell_commands import evaluate_command
from lungseg.evaluation.columns import of_role
from lungseg.evaluation.read_case_table import CaseTable, weight_of
from lungseg.metrics.stats.few_patients import few_patients
from lungseg.metrics.stats.patient_weights import ENOUGH, Weight

NOTE = (
    "Tick a model to see it in the views below. Bold: surely better than all others. Behind the best: paired by case, "
    "with its 95% interval; p by permutation over patients, corrected by Holm for all pairs. First in resamples: the "
    "share of resamples of these patients in which it is first, and no promise of other patients."
)


def run_data(entry: JudgedRun) -> dict[str, Any]:
    manifest, path = entry.manifest, str(entry.run.path)
    git = manifest.get("git") or {}
    return {
        "name": entry.run.path.name,
        "where": path,
        "seed": entry.seed,
        "command": one_line(manifest.get("command", "")),
        "judged": one_line(entry.table.summary.get("command") or ""),
        "judge": evaluate_command(path),
        "commit": git.get("commit"),
        "dirty": git.get("dirty"),
        "device": manifest.get("device"),
        "epochs": manifest.get("epochs"),
        "seconds": manifest.get("training_seconds"),
        "config": {key: value for key, value in entry.config.items() if key not in ("run_dir", "resume", "traceback")},
        "curves": entry.curves,
    }


def group_data(report: Report, runs: list[int], album: Mapping[int, str]) -> dict[str, Any]:
    group, table = report.group, report.group.table
    summaries = _of_these_cases(group)
    return {
        "name": group.name,
        "task": group.task,
        "data": f"{group.entries[0].data}, {table.summary['split']}",
        "regions": table.regions,
        **case_data(group),
        "by": report.by,
        "empty": {r: _empty(table, r) for r in table.regions},
        "runs": runs,
        "arms": [_arm(arm) for arm in report.arms],
        "metrics": [_metric(kind) for kind in report.kinds],
        "weight": report.weight,
        "enough": ENOUGH,
        "baselines": {kind.id: _baselines(summaries[0], kind, report.weight) for kind in report.kinds},
        "stats": {id: _stats(found, report.arms) for id, found in report.analyses.items()},
        "calibration": {r: _each([(one.get("calibration") or {}).get(r) for one in summaries]) for r in table.regions},
        "severity": {
            r: _each([_agreement(one, entry, r) for one, entry in zip(summaries, group.entries, strict=True)])
            for r in table.regions
        },
        "amounts": {r: amounts(table, r) for r in table.regions},
        "warnings": warnings(report),
        "boardNote": NOTE,
        "pictures": sorted(album),
    }


def _of_these_cases(group: Group) -> list[Mapping[str, Any]]:
    """The runs' summaries; one that is of more cases than are compared says nothing of these."""
    found = [entry.table.summary for entry in group.entries]
    return [one if one["cases"] == len(group.table.id) else {"results": {}} for one in found]


def _empty(table: CaseTable, region: str) -> list[int]:
    """Tells for each case whether its reference lacks the region."""
    sizes = table.of_role(region, "reference_size")
    return [0] * len(table.id) if sizes is None else (sizes == 0).astype(int).tolist()


def amounts(table: CaseTable, region: str) -> list[str]:
    """Returns the keys of what was measured in the reference and as predicted; none where nothing was."""
    columns = [of_role(table.summary, role) for role in ("reference_amount", "predicted_amount")]
    keys = [column.key(region) for column in columns if column is not None]
    return keys if len(keys) == 2 and all(key in table.numbers for key in keys) else []


def _agreement(summary: Mapping[str, Any], entry: JudgedRun, region: str) -> Any:
    which = "tuned" if entry.table.path.name == "cases-tuned.csv" else "model"
    column = of_role(entry.table.summary, "reference_amount")
    return column and summary["results"].get(which, {}).get(region, {}).get(column.in_summary)


def _metric(kind: ScoreType) -> dict[str, Any]:
    shown = {key: value for key, value in asdict(kind).items() if key not in ("metric", "higher", "in_summary")}
    return {"id": kind.id, "score": kind.metric, "better": 1 if kind.higher else -1, **shown}


def _each(found: list[Any]) -> list[Any] | None:
    """One for each run, or None where any run has none."""
    return found if all(one is not None for one in found) else None


def _arm(arm: Configuration) -> dict[str, Any]:
    first = arm.entries[0]
    more = f" and {plural(len(arm.entries) - 1, 'more seed')}" if len(arm.entries) > 1 else ""
    return {
        "name": arm.name,
        "where": first.run.path.name + more,
        "model": first.model,
        "encoder": first.encoder,
        "transfer": first.transfer,
        "runs": arm.columns,
    }


def _baselines(summary: Mapping[str, Any], kind: ScoreType, weight: Weight) -> dict[str, float]:
    """Finds those of a summary, if its means are over the same."""
    if weight_of(summary) != weight:
        return {}
    there = {
        name: summary["results"].get(name, {}).get(kind.region, {}).get(kind.in_summary)
        for name in ("mean_mask", "all_background")
    }
    return {name.replace("_", " "): value for name, value in there.items() if value is not None}


def _stats(found: Analysis, arms: Sequence[Configuration]) -> dict[str, Any]:
    versus = [
        None if one is None else {**asdict(one), "adjusted": found.adjusted[place], "sure": found.behind(place)}
        for place, one in enumerate(found.versus)
    ]
    return {
        "mean": found.ranking.means,
        "low": found.low,
        "high": found.high,
        "order": found.ranking.order,
        "first": found.ranking.first,
        "sure": found.sure,
        "alike": found.alike,
        "ranks": [found.rank(place) for place in range(len(arms))],
        "effective": found.effective,
        "caution": few_patients({found.kind.name: found.effective}) if not np.isnan(found.low).all() else "",
        "unseen": 1 - 0.05 ** (1 / found.effective) if found.effective else None,
        "sentence": sentence(found, arms),
        "identical": [identical_mark(found, place) for place in range(len(arms))],
        "versus": versus,
        "pairs": _pairs(found),
        "subgroups": [asdict(one) for one in found.subgroups],
        "seeds": [
            {"arm": place, "means": one.seed_means, "between": one.seed_sd, "cases": one.between_cases}
            for place, one in found.spreads.items()
        ],
    }


def _pairs(found: Analysis) -> dict[str, Any]:
    """``arms``: the best, of which each is compared with each; the rest are squares of these."""
    chosen = found.ranking.order[:MOST_PAIRS]
    squares = {name: getattr(found.pairs, name) for name in ("difference", "low", "high", "p", "superiority")}
    if not found.kind.higher:  # the share on which the row is better
        squares["superiority"] = 1 - found.pairs.superiority
    squares["adjusted"], squares["sure"] = found.pairs_adjusted, found.sure_pairs
    return {"arms": chosen, **{name: square[np.ix_(chosen, chosen)] for name, square in squares.items()}}


def plain(value: Any) -> Any:
    """Only what JSON knows; NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)
