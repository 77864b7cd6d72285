"""Figures for a paper: the means with their intervals, and every case under every arm."""

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungseg.comparison.analysis import Analysis, Floats
from lungseg.comparison.report import Report, interval
from lungseg.metrics.stats.few_patients import few_patients

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5a5fd0", "#8a8a8a")
MOST = 12  # arms in a figure
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "lungseg", "font.size": 9, "axes.spines.top": False,
         "axes.spines.right": False}  # fmt: skip


def draw(report: Report, region: str, stem: str) -> dict[str, bytes]:
    """By name, ``<stem>-means`` and ``<stem>-cases``, each as SVG and PNG, by Dice."""
    found = report.of_region(region)[0]
    names = [escaped(arm.name) for arm in report.arms]
    places = [int(place) for place in found.ranking.order[:MOST]]
    return saved(
        {f"{stem}-means": lambda: means(found, names, places), f"{stem}-cases": lambda: cases(found, names, places)}
    )


def saved(figures: Mapping[str, Callable[[], Figure]]) -> dict[str, bytes]:
    """``<name>.svg`` and ``<name>.png`` of each; equal figures give equal files."""
    drawn = {}
    with rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of letters that the font lacks, of names that leave no room
        for name, draw in figures.items():
            figure = draw()
            for ending in ("svg", "png"):
                metadata = {"Date": None} if ending == "svg" else {"Software": None}
                content = io.BytesIO()
                figure.savefig(content, format=ending, dpi=200, metadata=metadata)
                drawn[f"{name}.{ending}"] = content.getvalue()
    return drawn


def means(found: Analysis, names: list[str], places: list[int]) -> Figure:
    """A forest plot, the best on top."""
    figure = Figure(figsize=(6.4, 0.9 + 0.32 * len(places)), layout="constrained")
    axis = figure.add_subplot()
    for row, place in enumerate(places):
        colour = COLOURS[row % len(COLOURS)]
        if not np.isnan(found.low[place]):
            axis.hlines(row, found.low[place], found.high[place], color=colour, alpha=0.5, linewidth=4)
        axis.plot(found.ranking.means[place], row, "o", color=colour)
        axis.annotate(interval(found, place), (1.01, row), xycoords=("axes fraction", "data"), va="center")
    axis.set_yticks(range(len(places)), [names[place] for place in places])
    few = few_patients({found.kind.name: found.effective}) if not np.isnan(found.low).all() else ""
    axis.set(ylim=(len(places) - 0.4, -0.6), xlabel=_label(found) + (f"\n({few})" if few else ""))
    axis.grid(axis="x", alpha=0.3)
    return figure


def cases(found: Analysis, names: list[str], places: list[int]) -> Figure:
    """A dot for each case, joined between arms where there are few enough to see."""
    figure = Figure(figsize=(1.2 + 1.05 * len(places), 4), layout="constrained")
    axis = figure.add_subplot()
    there = found.values[~np.isnan(found.values).any(axis=1)][:, places]
    offset = np.random.default_rng(0).uniform(-0.16, 0.16, len(there))
    across = np.arange(len(places)) + offset[:, None]
    if len(there) <= 400:
        axis.plot(across.T, there.T, color="black", alpha=0.08, linewidth=0.6)
    for row in range(len(places)):
        _column(axis, across[:, row], there[:, row], row, float(found.ranking.means[places[row]]))
    axis.set_xticks(range(len(places)), [names[place] for place in places], rotation=20, ha="right")
    axis.set_ylabel(_label(found))
    axis.grid(axis="y", alpha=0.3)
    return figure


def _column(axis: Axes, across: Floats, values: Floats, row: int, mean: float) -> None:
    colour = COLOURS[row % len(COLOURS)]
    axis.plot(across, values, ".", color=colour, alpha=0.5 if len(values) <= 400 else 0.15, markersize=4,
              rasterized=len(values) > 400)  # fmt: skip
    if len(values):
        axis.plot([row - 0.3, row + 0.3], [mean] * 2, color="black", linewidth=1.6)


def _label(found: Analysis) -> str:
    unit = f" ({found.kind.unit})" if found.kind.unit else ""
    return f"{found.kind.name} of the {found.kind.region}{unit}" + (
        ", means over patients" if found.weight == "patients" else ""
    )


def escaped(name: str) -> str:
    """A dollar would begin a formula."""
    return (name if len(name) < 46 else name[:45] + "…").replace("$", r"\$")
