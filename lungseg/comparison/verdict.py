"""Writes the sentence that a comparison comes to: which arm is best, how surely, and what that rests on."""

from collections.abc import Sequence

import numpy as np

from lungseg.comparison.analysis import Analysis
from lungseg.comparison.configurations import Configuration
from lungseg.comparison.report import interval, probability
from lungseg.core.plural import article, plural
from lungseg.metrics.stats.multiple_testing import SURE

MOST_NAMED = 6  # of arms that are identical
IDENTICAL = "identical"  # in place of a p, where two arms have the same score in every case


def sentence(analysis: Analysis, arms: Sequence[Configuration]) -> str:
    """Tells which is best and how surely; **bold** as in Markdown."""
    kind, best, twins = analysis.kind, analysis.best, analysis.twins
    if np.isnan(analysis.ranking.means[best]):
        return f"No case has {article(kind.name)} {kind.name} of the {kind.region}."
    value = interval(analysis, best)
    others = [place for place in range(len(arms)) if place not in twins]
    end = identical(analysis, arms)
    if len(twins) > 1:
        same = (
            f"{_listed(arms, twins, bold=True)} have the same {kind.name} of the {kind.region} in every case, {value}"
        )
        return f"{same}: none of them is the best." if not others else f"{same}{_against(analysis, arms, others)}{end}"
    which = "the best" if others else article(kind.name)
    text = f"**{_plain(arms[best])}** has {which} {kind.name} of the {kind.region}, {value}"
    if not others:
        return f"{text}; there is no other model to compare it with."
    return f"{text}{_against(analysis, arms, others)}{end}"


def _against(analysis: Analysis, arms: Sequence[Configuration], others: Sequence[int]) -> str:
    """Continues the sentence with all that do not have the best's very scores."""
    several = len(analysis.twins) > 1
    it, is_ = ("they", "are") if several else ("it", "is")
    luck = seed_luck(analysis, arms)
    unsure = sorted((place for place in others if not analysis.behind(place)), key=lambda p: -analysis.adjusted[p])
    if not unsure:
        largest = _p(float(np.nanmax(analysis.adjusted[list(others)])), len(arms))
        many = f"all {len(others)} others" if len(others) > 1 else _plain(arms[others[0]])
        return f", and {is_} **surely better** than {many} ({largest}).{luck}"
    sure = len(others) - len(unsure)
    p = _p(float(analysis.adjusted[unsure[0]]), len(arms))
    lead = f"; {it} {is_} surely better than {sure} of {len(others)} others, but" if sure else f", but {it}"
    first = float(analysis.ranking.first[analysis.twins].sum())
    often = "" if np.isnan(first) else f" {it.capitalize()} {is_} first in {first:.0%} of resamples of these patients."
    return f"{lead} **cannot be told apart** from {_listed(arms, unsure)} ({p}).{luck}{too_few(analysis) or often}"


def identical(analysis: Analysis, arms: Sequence[Configuration]) -> str:
    """Names the arms behind the best that are identical in every case; empty where none are."""
    text = ""
    for group in analysis.identical:
        if group[0] not in analysis.twins:
            names = _listed(arms, group, most=MOST_NAMED)
            text += f" Identical in every case, at rank {analysis.rank(group[0])}: {names}."
    return text


def identical_mark(analysis: Analysis, place: int) -> str:
    """Marks the p of an arm that is identical in every case to others behind the best; empty for all other arms."""
    behind = [group for group in analysis.identical if place in group and place not in analysis.twins]
    return f" ({IDENTICAL}, rank {analysis.rank(place)})" if behind else ""


def too_few(analysis: Analysis) -> str:
    """Tells that no difference whatever could be sure of so few patients; empty where one could."""
    smallest, corrected = analysis.smallest_p
    if corrected < SURE or not analysis.patients:
        return ""
    rest = "" if corrected == smallest else f", after Holm's correction below {corrected:.3g}"
    return (
        f" With {plural(analysis.patients, 'patient')} p cannot be below {smallest:.3g}{rest}: nothing could be sure."
    )


def seed_luck(analysis: Analysis, arms: Sequence[Configuration]) -> str:
    """Tells how far what is sure may be luck of the training; empty where nothing is sure."""
    behind = [place for place in range(len(arms)) if analysis.behind(place)]
    if not behind:
        return ""
    doubtful = [place for place in behind if analysis.seeds_p[place] >= SURE]
    text = ""
    if doubtful:
        text = (
            f" That is for these seeds: between seeds it varies as much as it differs from {_listed(arms, doubtful)}."
        )
    single = [place for place in (analysis.best, *behind) if len(arms[place].columns) == 1]
    if not single:
        return text
    whose = "for each" if len(single) == len(behind) + 1 else f"of {_listed(arms, single)}"
    return f"{text} With one seed {whose}, the luck of training is not in it."


def _listed(arms: Sequence[Configuration], places: Sequence[int], bold: bool = False, most: int = 2) -> str:
    """Names at most so many, and how many more there are."""
    mark = "**" if bold else ""
    names = [f"{mark}{_plain(arms[place])}{mark}" for place in places[:most]]
    if len(places) > most:
        return f"{', '.join(names) if most > 2 else ' and '.join(names)} and {len(places) - most} more"
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), names[-1]])


def _plain(arm: Configuration) -> str:
    """Returns a name for a sentence, which no star of its own makes bold."""
    return arm.name.replace("**", "* *")


def _p(value: float, arms: int) -> str:
    pairs = arms * (arms - 1) // 2
    return f"p {probability(value)}" + (f" after Holm's correction for all {pairs} pairs" if pairs > 1 else "")
