"""Holds a comparison as data: all analyses of a group, what a reader must know of them, the rows of its tables."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from lungseg.comparison.analysis import Analysis, analyse
from lungseg.comparison.case_groups import disputed
from lungseg.comparison.configurations import Configuration, arms
from lungseg.comparison.grouping import Group
from lungseg.comparison.score_type import ScoreType, kinds
from lungseg.core.plural import plural
from lungseg.core.security.printable_text import one_line
from lungseg.evaluation.read_case_table import weight_of
from lungseg.metrics.stats.few_patients import few_patients
from lungseg.metrics.stats.patient_weights import Weight

DOMAIN = "domain"


@dataclass(frozen=True, eq=False)
class Report:
    """One group, analysed by every score: id of the score -> analysis."""

    group: Group
    arms: list[Configuration]
    analyses: Mapping[str, Analysis]
    weight: Weight = "images"
    by: str = DOMAIN  # what cases are grouped by in the tables beside the leaderboard

    @property
    def kinds(self) -> list[ScoreType]:
        return [found.kind for found in self.analyses.values()]

    def of_region(self, region: str) -> list[Analysis]:
        """The scores that a table shows; Dice first, where any case has one."""
        return [found for found in self.analyses.values() if found.kind.region == region and found.kind.board]


def report(group: Group, show: bool = True, weight: Weight = "images", by: str = DOMAIN) -> Report:
    found, chosen = arms(group.entries), kinds(group)
    progress = tqdm(chosen, f"comparing {group.name}", leave=False, disable=None if show else True)
    return Report(group, found, {kind.id: analyse(group, found, kind, weight) for kind in progress}, weight, by)


def probability(p: float) -> str:
    return "unknown" if np.isnan(p) else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def number(value: float, kind: ScoreType) -> str:
    """With its unit; a dash where it is undefined."""
    return "-" if np.isnan(value) else f"{value:.{kind.digits}f}" + (f" {kind.unit}" if kind.unit else "")


def interval(analysis: Analysis, place: int) -> str:
    """Mean and 95% interval of an arm."""
    low, high = analysis.low[place], analysis.high[place]
    return interval_of(analysis.kind, analysis.ranking.means[place], low, high, analysis.patients)


def interval_of(kind: ScoreType, mean: float, low: float, high: float, patients: int) -> str:
    """Writes mean and interval; where scores of several patients are all equal there is nothing to resample."""
    if np.isnan(mean) or (np.isnan(low) and patients < 2):
        return number(mean, kind)
    if np.isnan(low):
        return f"{number(mean, kind)} (all equal)"
    return f"{mean:.{kind.digits}f} [{low:.{kind.digits}f}, {high:.{kind.digits}f}]"


def caution(report: Report, region: str) -> str:
    """Names the scores of a region's table whose intervals rest on too few patients; empty where none does."""
    said = few_patients({
        found.kind.name: found.effective for found in report.of_region(region) if not np.isnan(found.low).all()
    })  # fmt: skip
    return f"{said[0].upper()}{said[1:]}." if said else ""


def warnings(report: Report) -> list[str]:
    """What a reader must know before the numbers."""
    group = report.group
    found = []
    baselines = weight_of(group.table.summary) == report.weight
    if not baselines:
        found.append(
            f"The baselines are not shown: the runs were judged with weight={weight_of(group.table.summary)}; judge "
            f"them with weight={report.weight} to have them."
        )
    for region in group.table.regions:
        told = _beaten_by_baseline(report, region) if baselines else ""
        found += [told] if told else []
    if group.shared_leaks:
        found.append(
            f"{plural(group.shared_leaks, 'test image is a copy', 'test images are copies')} of training images in all "
            "of these runs: every score flatters; train again with data.drop_leaks=true."
        )
    if group.table.path.name == "cases-tuned.csv":
        found.append("Pictures are of the usual threshold, not of the tuned one.")
    overfit = [entry for entry in group.entries if entry.table.summary.get("on_training_images")]
    if overfit:
        number = plural(len(overfit), "run was", "runs were")
        found.append(f"{number} trained with data.overfit, a test of the program: no result.")
    for name, differing in disputed(group).items():
        found.append(
            f"The runs' tables differ in the {one_line(name)} of {plural(differing, 'case')}, which is in no group by "
            "it: the data were described again between two judgements; judge all runs once more."
        )
    budgets = {
        (entry.config.get("trainer.max_epochs"), (entry.manifest.get("cases") or {}).get("train"))
        for entry in group.entries
    }
    if len(budgets) > 1:
        said = ", ".join(
            f"{images} images in {epochs} epoch{'' if epochs == 1 else 's'}"
            for epochs, images in sorted(budgets, key=str)[:4]
        )
        found.append(f"The runs did not have the same training ({said}): what differs may be that.")
    return found


def _beaten_by_baseline(report: Report, region: str) -> str:
    """Says that no arm's headline is above that of the mean mask; empty where one is, or where there is none."""
    mean_mask = (report.group.table.summary["results"].get("mean_mask") or {}).get(region, {})
    headline = next((one for one in report.of_region(region) if one.kind.role == "headline"), None)
    score = mean_mask.get(headline.kind.in_summary) if headline is not None else None
    if headline is None or score is None or headline.ranking.means[headline.best] > score:
        return ""
    return (
        f"No model beats the mean mask on the {region} ({headline.kind.name} {score:.3f}): none has learnt more than "
        "where it usually is; train longer."
    )


def csv_rows(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """A row for each arm and score, every score of every group."""
    rows = []
    for report in reports:
        for id, found in report.analyses.items():
            for place, arm in enumerate(report.arms):
                rows.append(_csv_row(report, id, found, place, arm))
    return rows


def _identical_to(report: Report, found: Analysis, place: int) -> str:
    """Names the first other arm with the same score in every case; empty where there is none."""
    group = next((group for group in found.identical if place in group), [place])
    return next((report.arms[other].name for other in group if other != place), "")


def _csv_row(report: Report, id: str, found: Analysis, place: int, arm: Configuration) -> dict[str, Any]:
    entry, versus, spread = arm.entries[0], found.versus[place], found.spreads.get(place)
    values = {
        "mean": found.ranking.means[place],
        "low": found.low[place],
        "high": found.high[place],
        "between_seeds_sd": spread.between_seeds if spread else np.nan,
        "first_in_resamples": found.ranking.first[place],
        "rank_low": found.ranking.rank_low[place],
        "rank_high": found.ranking.rank_high[place],
        "ranking_agreement": found.ranking.agreement,
        "minus_best": versus.difference if versus else np.nan,
        "minus_best_low": versus.low if versus else np.nan,
        "minus_best_high": versus.high if versus else np.nan,
        "p": versus.p if versus else np.nan,
        "p_corrected": found.adjusted[place],
        "p_over_seeds": found.seeds_p[place],
        "wilcoxon_p": versus.wilcoxon_p if versus else np.nan,
        "effect_size": versus.effect if versus else np.nan,
    }
    return {
        "task": entry.task,
        "data": entry.data,
        "split": entry.table.summary["split"],
        "region": found.kind.region,
        "score": found.kind.metric,
        "unit": found.kind.unit,
        "arm": arm.name,
        "model": entry.model,
        "encoder": entry.encoder,
        "transfer": entry.transfer,
        "seeds": len(arm.columns),
        "runs": shlex.join(str(one.run.path) for one in arm.entries),
        "cases": found.cases,
        "patients": found.patients,
        "effective_patients": round(found.effective, 6),
        "weight": found.weight,
        "rank": found.rank(place),
        "identical_to": _identical_to(report, found, place),
        **{name: None if not np.isfinite(value) else round(float(value), 6) for name, value in values.items()},
    }
