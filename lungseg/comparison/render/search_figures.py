"""Figures of a search for a paper: its course or its front, importances, parallel coordinates, slices."""

import math
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lungseg.comparison.render.figures import COLOURS, escaped, saved
from lungseg.comparison.render.search_parallel import parallel
from lungseg.comparison.search_report import by_importance, choice_name
from lungseg.comparison.search_results import Parameter, Search

BLUE, ORANGE, GREY = COLOURS[0], COLOURS[1], COLOURS[7]
ACROSS = 4  # slices in a row


def draw_search(search: Search) -> dict[str, bytes]:
    """``search-<name>.svg`` and ``.png``; those that would be empty are left out."""
    wanted = {"importances": importances} if search.importances else {}
    if search.complete:
        wanted |= {"history": history} if len(search.objectives) == 1 else {"front": front}
        wanted |= {"parallel": parallel, "slices": slices} if search.parameters else {}
    return saved({f"search-{name}": partial(draw, search) for name, draw in wanted.items()})


def history(search: Search) -> Figure:
    """Values against numbers, the best so far as steps; pruned trials at their last value."""
    figure, axis = _figure(6.4, 3.4)
    (objective,) = search.objectives
    found = search.complete
    numbers = [trial.number for trial in found]
    values = np.array([(trial.values or [])[0] for trial in found], np.float64)
    best = np.maximum.accumulate(values) if objective.maximize else np.minimum.accumulate(values)
    last = max(trial.number for trial in search.trials)
    axis.step([*numbers, last], [*best, best[-1]], where="post", color=ORANGE, linewidth=1.4, label="best so far")
    axis.plot(numbers, values, "o", color=BLUE, markersize=4, alpha=0.7, label="complete")
    pruned = [(trial.number, trial.curve[-1][1]) for trial in search.trials if trial.state == "pruned" and trial.curve]
    if pruned:
        axis.plot(*zip(*pruned, strict=True), "o", color=GREY, markersize=4, fillstyle="none", label="pruned")
    failed = [trial.number for trial in search.trials if trial.state == "failed"]
    if failed:
        axis.plot(failed, [0.03] * len(failed), "x", color="black", markersize=4, label="failed",
                  transform=axis.get_xaxis_transform())  # fmt: skip
    if search.retrained:
        mean = float(np.mean(search.retrained.values))
        axis.axhline(mean, color="black", linewidth=1, linestyle="--", label="best, retrained")
    axis.set(xlabel="trial", ylabel=escaped(objective.name))
    _fence(axis, values, objective.maximize)
    axis.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside upper left", ncols=5, frameon=False, fontsize=8)
    return figure


def front(search: Search) -> Figure:
    """The one objective against the other; the front joined by steps, for nothing between two trials was found."""
    figure, axis = _figure(5, 4)
    kept = sorted((search.trial(number).values or [] for number in search.front()), key=lambda pair: pair[0])
    steps = [kept[0]]
    for pair in kept[1:]:
        worse = (min if one.maximize else max for one in search.objectives)
        corner = [choose(a, b) for choose, a, b in zip(worse, steps[-1], pair, strict=True)]
        steps += [corner, pair]
    rest = np.array([trial.values for trial in search.complete], np.float64)
    axis.plot(rest[:, 0], rest[:, 1], "o", color=GREY, markersize=3.5, alpha=0.6, label="complete")
    axis.plot(*np.array(steps).T, color=ORANGE, linewidth=1.2)
    axis.plot(*np.array(kept).T, "o", color=ORANGE, markersize=5, label="front")
    axis.set(xlabel=_axis_name(search, 0), ylabel=_axis_name(search, 1))
    axis.grid(alpha=0.3)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    return figure


def importances(search: Search) -> Figure:
    shares = search.importances or {}
    shown = [one for one in by_importance(search) if one.name in shares]
    figure, axis = _figure(5, 0.8 + 0.3 * len(shown))
    bars = axis.barh(range(len(shown)), [shares[one.name] for one in shown], color=BLUE, height=0.65)
    axis.bar_label(bars, [f"{shares[one.name]:.0%}" for one in shown], padding=3)
    axis.set_yticks(range(len(shown)), [escaped(one.name) for one in shown])
    axis.set(ylim=(len(shown) - 0.4, -0.6), xlabel="importance")
    return figure


def slices(search: Search) -> Figure:
    """The first objective against each parameter; late trials darker."""
    parameters = by_importance(search)
    across = min(len(parameters), ACROSS)
    down = math.ceil(len(parameters) / across)
    figure = Figure(figsize=(0.8 + 2.1 * across, 0.4 + 2.1 * down), layout="constrained")
    values = np.array([(trial.values or [])[0] for trial in search.complete], np.float64)
    axes: Any = figure.subplots(down, across, sharey=True, squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place >= len(parameters):
            axis.set_visible(False)
            continue
        _slice(axis, parameters[place], search)
        _fence(axis, values, search.objectives[0].maximize)
        if place % across == 0:
            axis.set_ylabel(escaped(search.objectives[0].name))
    return figure


def _slice(axis: Axes, parameter: Parameter, search: Search) -> None:
    """Trials that lack the parameter are not in its slice."""
    there = [trial for trial in search.complete if parameter.name in trial.params]
    across = np.array([trial.params[parameter.name] for trial in there], np.float64)
    if parameter.choices is not None:
        across = across + np.random.default_rng(0).uniform(-0.15, 0.15, len(there))
        names = [escaped(choice_name(one)[:14]) for one in parameter.choices]
        axis.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=7)
        axis.set_xlim(-0.6, len(names) - 0.4)
    elif parameter.log and there:
        axis.set_xscale("log")
    axis.scatter(across, [(trial.values or [])[0] for trial in there], s=9, c=[trial.number for trial in there],
                 cmap="Blues", vmin=-max((trial.number for trial in search.trials), default=0) / 2,
                 rasterized=len(there) > 400)  # fmt: skip
    axis.set_xlabel(escaped(parameter.name))
    axis.grid(alpha=0.3)


def _fence(axis: Axes, values: NDArray[np.float64], maximize: bool) -> None:
    """Values that are far worse than most leave no room for the rest: they are off the axis."""
    gains = values if maximize else -values
    low, high = np.quantile(gains, [0.25, 0.75])
    fence = low - 3 * (high - low)
    if len(gains) >= 5 and high > low and gains.min() < fence:
        kept = values[gains >= fence]
        axis.set_ylim(kept.min() - 0.06 * np.ptp(kept), kept.max() + 0.06 * np.ptp(kept))


def _axis_name(search: Search, k: int) -> str:
    one = search.objectives[k]
    return f"{escaped(one.name)} ({'higher' if one.maximize else 'lower'} is better)"


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
