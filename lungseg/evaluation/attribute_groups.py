"""Summarises each group of cases that share an attribute, ages in bands."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lungseg.data.attributes import MOST_GROUPS, group_of
from lungseg.metrics.stats.patient_weights import Weight
from lungseg.tasks.base import CaseScore, Task

KEY = "by_attribute"  # of summary.json


def by_attribute(scores: Sequence[CaseScore], task: Task, weight: Weight) -> dict[str, dict[str, Any]]:
    """Returns attribute -> group -> part -> means with intervals, under its key; nothing without attributes.

    Cases of which an attribute is unknown are in none of its groups; one of very many groups is left out.
    """
    found: dict[str, dict[str, list[CaseScore]]] = defaultdict(lambda: defaultdict(list))
    for one in scores:
        for name, value in one.case.attributes:
            if value:
                found[name][group_of(name, value)].append(one)
    few = {name: groups for name, groups in found.items() if len(groups) <= MOST_GROUPS}
    summaries = {
        name: {group: task.summary(groups[group], weight) for group in sorted(groups)} for name, groups in few.items()
    }
    return {KEY: summaries} if summaries else {}
