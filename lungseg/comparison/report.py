"""A comparison as data and as words: all analyses of a group, the sentence, the rows of its tables."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from lungseg.comparison.analysis import SURE, Analysis, analyse
from lungseg.comparison.arm import Arm, arms
from lungseg.comparison.group import Group
from lungseg.comparison.kind import Kind, kinds
from lungseg.plural import plural


@dataclass(frozen=True, eq=False)
class Report:
    """One group, analysed by every score: id of the score -> analysis."""

    group: Group
    arms: list[Arm]
    analyses: Mapping[str, Analysis]

    @property
    def kinds(self) -> list[Kind]:
        return [found.kind for found in self.analyses.values()]

    def of_region(self, region: str) -> list[Analysis]:
        """The scores that a table shows; Dice first, where any case has one."""
        return [found for found in self.analyses.values() if found.kind.region == region and found.kind.board]


def report(group: Group, show: bool = True) -> Report:
    found, chosen = arms(group.entries), kinds(group)
    progress = tqdm(chosen, f"comparing {group.name}", leave=False, disable=None if show else True)
    return Report(group, found, {kind.id: analyse(group, found, kind) for kind in progress})


def sentence(analysis: Analysis, arms: Sequence[Arm]) -> str:
    """Which is best and how surely; **bold** as in Markdown."""
    kind, best = analysis.kind, analysis.best
    mean, low, high = analysis.ranking.means[best], analysis.low[best], analysis.high[best]
    if np.isnan(mean):
        return f"No case has a {kind.name} of the {kind.region}."
    span = "" if np.isnan(low) else f" [{low:.{kind.digits}f}, {high:.{kind.digits}f}]"
    others = [place for place in range(len(arms)) if place != best]
    which = "the best" if others else "a"
    text = f"**{_plain(arms[best])}** has {which} {kind.name} of the {kind.region}, {number(mean, kind)}{span}"
    if not others:
        return text + "; there is no other model to compare it with."
    luck = _luck(analysis, arms)
    unsure = sorted((place for place in others if not analysis.behind(place)), key=lambda p: -analysis.adjusted[p])
    if not unsure:
        largest = probability(float(np.nanmax(analysis.adjusted)))
        many = f"all {len(others)} others" if len(others) > 1 else _plain(arms[others[0]])
        return f"{text}, and is **surely better** than {many} (p {largest} after Holm's correction).{luck}"
    sure = len(others) - len(unsure)
    names = " and ".join(_plain(arms[place]) for place in unsure[:2]) + (
        f" and {len(unsure) - 2} more" if len(unsure) > 2 else ""
    )
    p = probability(float(analysis.adjusted[unsure[0]]))
    lead = f"; it is surely better than {sure} of {len(others)} others, but" if sure else ", but it"
    first = analysis.ranking.first[best]
    often = "" if np.isnan(first) else f" On other patients it would be first {first:.0%} of the time."
    return f"{text}{lead} **cannot be told apart** from {names} (p {p} after Holm's correction).{luck}{often}"


def _luck(analysis: Analysis, arms: Sequence[Arm]) -> str:
    """Differences that are sure on these cases for these very seeds, and might be luck of the seed."""
    doubtful = [
        _plain(arms[place])
        for place in range(len(arms))
        if place != analysis.best and analysis.behind(place) and analysis.seeds_p[place] >= SURE
    ]
    if not doubtful:
        return ""
    names = " and ".join(doubtful[:2]) + (f" and {len(doubtful) - 2} more" if len(doubtful) > 2 else "")
    return f" That is for these seeds: between seeds it varies as much as it differs from {names}."


def _plain(arm: Arm) -> str:
    """A name within a sentence, which no star of its own makes bold."""
    return arm.name.replace("**", "* *")


def probability(p: float) -> str:
    return "unknown" if np.isnan(p) else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def number(value: float, kind: Kind) -> str:
    """With its unit; a dash where it is undefined."""
    return "-" if np.isnan(value) else f"{value:.{kind.digits}f}" + (f" {kind.unit}" if kind.unit else "")


def interval(analysis: Analysis, place: int) -> str:
    """Mean and 95% interval of an arm."""
    kind, low, high = analysis.kind, analysis.low[place], analysis.high[place]
    mean = analysis.ranking.means[place]
    if np.isnan(mean) or np.isnan(low):
        return number(mean, kind)
    return f"{mean:.{kind.digits}f} [{low:.{kind.digits}f}, {high:.{kind.digits}f}]"


def warnings(report: Report) -> list[str]:
    """What a reader must know before the numbers."""
    group = report.group
    found = []
    analysis = next(iter(report.analyses.values()))
    if analysis.rough:
        found.append(f"Only {analysis.patients} patients: intervals and p-values are rough.")
    for region in group.table.regions:
        mean_mask = (group.table.summary["results"].get("mean_mask") or {}).get(region, {}).get("dice")
        dice = report.analyses.get(f"{region}/dice")
        if dice is not None and mean_mask is not None and dice.ranking.means[dice.best] <= mean_mask:
            found.append(
                f"No model beats the mean mask on the {region} (Dice {mean_mask:.3f}): none has learnt more than where "
                "it usually is; train longer."
            )
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


def csv_rows(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """A row for each arm and score, every score of every group."""
    rows = []
    for report in reports:
        for id, found in report.analyses.items():
            for place, arm in enumerate(report.arms):
                rows.append(_csv_row(report, id, found, place, arm))
    return rows


def _csv_row(report: Report, id: str, found: Analysis, place: int, arm: Arm) -> dict[str, Any]:
    entry, versus, spread = arm.entries[0], found.versus[place], found.spreads.get(place)
    values = {
        "mean": found.ranking.means[place],
        "low": found.low[place],
        "high": found.high[place],
        "between_seeds_sd": spread.between_seeds if spread else np.nan,
        "often_first": found.ranking.first[place],
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
        "rank": int(np.flatnonzero(found.ranking.order == place)[0]) + 1,
        **{name: None if not np.isfinite(value) else round(float(value), 6) for name, value in values.items()},
    }
