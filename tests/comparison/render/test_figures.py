import io
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from lungseg.comparison.render.figures import COLOURS, cases, draw, means
from tests.comparison.runs import family, make_run, people, report_of, scores_of


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = family(tmp_path_factory.mktemp("family"), pictures=False)
    return report_of(*(root / name for name in ("best-0", "best-1", "tuned", "plain")))


def names_of(report):
    return [arm.name for arm in report.arms]


def test_both_figures_are_drawn_as_svg_and_png(report):
    drawn = draw(report, "infection", "stem")
    assert sorted(drawn) == ["stem-cases.png", "stem-cases.svg", "stem-means.png", "stem-means.svg"]
    for name, content in drawn.items():
        if name.endswith("png"):
            with Image.open(io.BytesIO(content)) as picture:
                assert picture.format == "PNG"
                assert min(picture.size) > 200
        else:
            words = " ".join(ElementTree.fromstring(content).itertext())
            assert "unet scratch" in words
            assert "Dice of the infection" in words
    assert draw(report, "infection", "stem") == drawn  # equal runs give equal files


def test_means_stand_where_they_are_with_their_intervals(report):
    found = report.analyses["infection/dice"]
    axis = means(found, names_of(report), [0, 2]).axes[0]
    spans = [bar.get_segments()[0][:, 0] for bar in axis.collections]
    assert spans == [pytest.approx([found.low[n], found.high[n]]) for n in (0, 2)]
    assert all(bar.get_capstyle() in (None, "butt") for bar in axis.collections)  # no longer than they are
    assert [dot.get_xdata() for dot in axis.lines] == [pytest.approx([found.ranking.means[n]]) for n in (0, 2)]
    assert [label.get_text() for label in axis.get_yticklabels()] == [names_of(report)[0], names_of(report)[2]]
    assert axis.lines[0].get_color() == COLOURS[0]


def test_every_scored_case_is_a_dot_joined_between_arms(report):
    found = report.analyses["infection/dice"]
    axis = cases(found, names_of(report), [0, 1, 2]).axes[0]
    dots = [line for line in axis.lines if line.get_marker() == "."]
    joins = [line for line in axis.lines if line.get_color() == "black" and len(line.get_ydata()) == 3]
    known = found.values[~np.isnan(found.values).any(axis=1)]
    assert [line.get_ydata() for line in dots] == [pytest.approx(column) for column in known.T]
    assert len(joins) == len(known)


def test_awkward_names_and_scores_make_no_noise(tmp_path):
    for number, name in enumerate(("$x^2$ _ \\frac{", "名前 <b>", "a" * 90)):
        make_run(tmp_path / f"r{number}", people(8, 1), np.full(8, 0.5), label=name, pictures=False)
    report = report_of(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw(report, "infection", "stem")
    words = " ".join(ElementTree.fromstring(drawn["stem-means.svg"]).itertext())
    assert "$x^2$ _ \\frac{" in words
    assert "名前 <b>" in words
    assert "a" * 45 + "…" in words


def test_many_cases_and_arms_make_a_small_file(tmp_path):
    cases = people(410, 20)
    for number in range(13):
        make_run(tmp_path / f"r{number:02d}", cases, scores_of(410, 0.9 - number / 50, seed=number), quick=True,
                 model__name=f"net{number:02d}", pictures=False)  # fmt: skip
    drawn = draw(report_of(tmp_path), "infection", "stem")
    assert len(drawn["stem-cases.svg"]) < 1e6
    words = " ".join(ElementTree.fromstring(drawn["stem-means.svg"]).itertext())
    assert "net11" in words
    assert "net12" not in words
