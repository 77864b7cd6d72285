"""Says what stands beside intervals that rest on too few patients: the same words in every table."""

from collections import defaultdict
from collections.abc import Mapping

from lungseg.metrics.stats.patient_weights import ENOUGH


def few_patients(effective: Mapping[str, float]) -> str:
    """Names the scores whose intervals are rough, by their effective patients; empty where none is.

    ``effective``: what a score is called -> its effective patients; a score without any has no interval.
    """
    named: dict[str, list[str]] = defaultdict(list)
    for name, number in effective.items():
        if 0 < number < ENOUGH:
            named[shown(number)].append(name)
    parts = [f"{number} for {', '.join(dict.fromkeys(names))}" for number, names in named.items()]
    return f"fewer than {ENOUGH} effective patients, so intervals are rough: {'; '.join(parts)}" if parts else ""


def shown(number: float) -> str:
    """Rounds effective patients down to one digit, so that 14.97 is not called 15."""
    return f"{int(number * 10 + 1e-6) / 10:.1f}".removesuffix(".0")
