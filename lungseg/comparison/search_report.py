"""What a search came to, in words and as the data that its section of the page is drawn from."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from lungseg.comparison.search_results import STATES, Parameter, Retrained, Search, Trial
from lungseg.core.plural import plural

MOST_NAMED = 3  # trials of a front in a sentence


def told(value: float) -> str:
    """Three digits after the point for scores, as many that tell for what is larger or smaller."""
    size = abs(value)
    return f"{value:.3f}" if 0.01 <= size < 10 or not size else f"{value:.4g}" if size >= 10 else f"{value:.3g}"


def sentence(search: Search) -> str:
    """The best, and whether it holds; **bold** as in Markdown."""
    counts = Counter(trial.state for trial in search.trials)
    states = ", ".join(f"{counts[state]} {state}" for state in STATES[1:] if counts[state])
    trials = plural(len(search.trials), "trial")
    of = trials + (f" ({states})" if states else "")
    if not search.best:
        return f"No trial is complete yet, of {of}."
    best = [search.trial(number) for number in search.best]
    found = f"Best of {of}: {_named(best, search)}"
    if len(search.objectives) > 1:
        found = f"Of {of}, {_front(best, search)}"
    return f"{found}; {_again(search)}"


def _named(best: Sequence[Trial], search: Search) -> str:
    """Where several are equally good, the first and how many more."""
    more = f" and {len(best) - 1} more that are as good" if len(best) > 1 else ""
    return f"**trial {best[0].number}**{more}, {_value(best[0], search)}"


def _front(best: Sequence[Trial], search: Search) -> str:
    first, second = (_plain(one.name) for one in search.objectives)
    if len(best) == 1:
        return f"**trial {best[0].number}** is the best in both: {_value(best[0], search)}"
    signs = [1 if one.maximize else -1 for one in search.objectives]
    ends = [max(best, key=lambda trial: (trial.values or [])[k] * signs[k]) for k in (0, 1)]
    return (
        f"**{len(best)} are on the front**, where none is better in {first} without being worse in {second}: from "
        f"trial {ends[0].number} ({_value(ends[0], search)}) to trial {ends[1].number} ({_value(ends[1], search)})"
    )


def _value(trial: Trial, search: Search) -> str:
    pairs = zip(search.objectives, trial.values or [], strict=False)
    return ", ".join(f"{_plain(one.name)} {told(value)}" for one, value in pairs)


def _again(search: Search) -> str:
    """What retraining says; a result that fell is told as what a search makes look better than it is."""
    found = search.retrained
    if found is None:
        it = "this one" if len(search.best) == 1 else "none of these"
        has = "has not been retrained" if len(search.best) == 1 else "has been retrained"
        how = "; this does it:" if search.retrain else "."
        return f"the best of many flatters itself, and {it} **{has}** with other seeds{how}"
    mean = statistics.mean(found.values)
    fell = (mean < found.found) == search.objectives[0].maximize and mean != found.found
    it = " it" if [found.of] == search.best else f", trial {found.of} (found at {told(found.found)})"
    first = _plain(search.objectives[0].name) + " " if len(search.objectives) > 1 else ""
    lead = "the best of many flatters itself: " if fell else ""
    seeds = plural(len(found.values), "seed")
    test = f", {spread(found.test)} on the test cases" if found.test else ""
    return f"{lead}retrained with {seeds}{it} comes to {first}**{spread(found.values)}** (validation){test}."


def spread(values: Sequence[float]) -> str:
    """Mean and, of several, the standard deviation between them, to the digits of the mean."""
    mean = told(statistics.mean(values))
    if len(values) < 2:
        return mean
    digits = len(mean.partition(".")[2])
    between = statistics.stdev(values)
    fine = "e" in mean or round(between, digits) == 0
    return f"{mean} ± {told(between) if fine else f'{between:.{digits}f}'}"


def _plain(name: str) -> str:
    return name.replace("**", "* *")


def choice_name(choice: Any) -> str:
    """As a command line has it."""
    return choice if isinstance(choice, str) else json.dumps(choice)


def by_importance(search: Search) -> list[Parameter]:
    """The most important first; those of which it is not known last, in their own order."""
    shares = search.importances or {}
    return sorted(search.parameters, key=lambda one: -shares.get(one.name, -1))


def search_data(search: Search) -> dict[str, Any]:
    """``params`` and ``importances`` in the order of ``parameters``; curves to 6 digits."""
    parameters = by_importance(search)
    shares = search.importances
    return {
        "sentence": sentence(search),
        "objectives": [{"name": one.name, "better": 1 if one.maximize else -1} for one in search.objectives],
        "parameters": [_parameter(one) for one in parameters],
        "trials": [_trial(trial, parameters) for trial in search.trials],
        "importances": None if not shares else [shares.get(one.name) for one in parameters],
        "best": search.best,
        "front": search.front() if len(search.objectives) > 1 else [],
        "retrained": None if search.retrained is None else _retrained(search.retrained),
        "retrain": search.retrain if search.best and search.retrained is None else None,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    choices = parameter.choices
    return {
        "name": parameter.name,
        "log": parameter.log,
        "choices": None if choices is None else [choice_name(one) for one in choices],
    }


def _trial(trial: Trial, parameters: Sequence[Parameter]) -> dict[str, Any]:
    return {
        "number": trial.number,
        "name": trial.name,
        "state": trial.state,
        "values": trial.values,
        "params": [trial.params.get(one.name) for one in parameters],
        "seconds": trial.seconds,
        "curve": [[step, float(f"{value:.6g}")] for step, value in trial.curve],
        "where": trial.where,
    }


def _retrained(found: Retrained) -> dict[str, Any]:
    return {"of": found.of, "mean": statistics.mean(found.values), "said": spread(found.values), "all": found.values}
