"""Parallel coordinates of a search as a figure."""

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lungseg.comparison.render.figures import COLOURS, escaped
from lungseg.comparison.search_report import by_importance, choice_name
from lungseg.comparison.search_results import Parameter, Search, Trial

ABSENT = -0.12  # where a line passes an axis that its trial lacks, in heights of the axis
MOST_CHOICES = 12  # named on an axis


def parallel(search: Search) -> Figure:
    """An axis for each parameter, the most important first, and one for each objective; the best in orange."""
    parameters = by_importance(search)
    names = [one.name for one in parameters] + [one.name for one in search.objectives]
    figure = Figure(figsize=(min(1.4 + 1.05 * len(names), 16), 4), layout="constrained")
    axis = figure.add_subplot()
    trials = search.complete
    heights = [_heights(one, trials, axis, place) for place, one in enumerate(parameters)]
    for k in range(len(search.objectives)):
        values = np.array([(trial.values or [])[k] for trial in trials], np.float64)
        heights.append(_scaled(values, axis, len(parameters) + k, False))
    axis.add_collection(_lines(np.stack(heights, axis=1), search))
    axis.set(xlim=(-0.3, len(names) - 0.4), ylim=(ABSENT - 0.05, 1.06), yticks=[])
    axis.set_xticks(range(len(names)), [escaped(name) for name in names], rotation=25, ha="right")
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.vlines(range(len(names)), 0, 1, color="black", linewidth=0.8, zorder=3)
    return figure


def _lines(rows: NDArray[np.float64], search: Search) -> LineCollection:
    """Of heights [N, axes]: darker the better by the first objective, the best above all."""
    first = rows[:, len(search.parameters)]
    good = first if search.objectives[0].maximize else 1 - first
    best = [trial.number in search.best for trial in search.complete]
    order = sorted(range(len(rows)), key=lambda n: (best[n], good[n]))
    colours = colormaps["Blues"](0.25 + 0.7 * good)
    return LineCollection(
        [np.column_stack([np.arange(rows.shape[1]), rows[n]]) for n in order],
        colors=[COLOURS[1] if best[n] else colours[n] for n in order],
        linewidths=[1.8 if best[n] else 0.8 for n in order],
        rasterized=len(rows) > 400,
    )


def _heights(parameter: Parameter, trials: list[Trial], axis: Axes, place: int) -> NDArray[np.float64]:
    """[N] from 0 to 1 along the axis, which gets its words; ``ABSENT`` where a trial lacks the parameter."""
    values = np.array([trial.params.get(parameter.name, math.nan) for trial in trials], np.float64)
    if parameter.choices is not None:
        count = max(len(parameter.choices), 1)
        heights = (values + 0.5) / count
        for n, choice in enumerate(parameter.choices[:MOST_CHOICES]):
            _word(axis, place, (n + 0.5) / count, choice_name(choice))
    else:
        heights = _scaled(values, axis, place, parameter.log)
    if np.isnan(values).any():
        _word(axis, place, ABSENT, "none")
    return np.where(np.isnan(values), ABSENT, heights)


def _scaled(values: NDArray[np.float64], axis: Axes, place: int, log: bool) -> NDArray[np.float64]:
    known = values[~np.isnan(values)]
    if not len(known):
        return values
    low, high = float(known.min()), float(known.max())
    for height, value in ((0.0, low), (1.0, high)) if high > low else ((0.5, low),):
        _word(axis, place, height, f"{value:.3g}")
    if high == low:
        return values * 0 + 0.5
    ends = (math.log(low), math.log(high)) if log else (low, high)
    scaled: NDArray[np.float64] = ((np.log(values) if log else values) - ends[0]) / (ends[1] - ends[0])
    return scaled


def _word(axis: Axes, place: int, height: float, text: str) -> None:
    axis.text(place + 0.04, height, escaped(text[:18]), fontsize=7, va="center", zorder=4,
              bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6})  # fmt: skip
