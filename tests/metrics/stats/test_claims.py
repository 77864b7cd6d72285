"""Compares what the docs and the page call measured with what ``benchmarks/intervals.py`` has measured."""

import json
import re
from importlib import resources
from pathlib import Path

import pytest

from lungseg.metrics.stats import bootstrap, paired, proportions, ranking

ROOT = Path(__file__).parents[3]
FOUND = json.loads((ROOT / "benchmarks" / "results" / "intervals.json").read_text())
DOCS = (ROOT / "docs" / "statistics.md").read_text()


def words(text):
    """On one line."""
    return " ".join(text.split())


def span(values):
    values = list(values)
    return f"{100 * min(values):.0f} to {100 * max(values):.0f}%"


def table(head):
    """Rows of cells of the table with such a head."""
    lines = DOCS[DOCS.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def coverage(low, high):
    rows = [
        row for row in FOUND["real scores"] if low <= row.get("effective_from", -1) < row["effective_below"] <= high
    ]
    return span(share for row in rows for share in row["coverage"].values())


def simulated(rows, **chosen):
    (row,) = [row for row in FOUND[rows] if all(row[key] == value for key, value in chosen.items())]
    return row


def test_the_coverage_on_real_scores():
    expected = [coverage(*limits) for limits in ((0, 5), (5, 10), (10, 15), (15, 1000))]
    assert [row[1] for row in table("| effective patients |")] == expected
    told = words(bootstrap.mean_interval.__doc__)
    assert f"holds the truth in {expected[3]} of samples, with 10 to 15 of them in {expected[2]}" in told
    assert f"with fewer than 5 in {expected[0]}" in told
    assert f"held the truth in {expected[3]} of samples from 15 *effective* patients on" in words(
        (ROOT / "README.md").read_text()
    )


def test_the_coverage_in_simulation():
    odd = simulated("simulated scores", layout="31 patients, one with 60 of 90 images")
    said = span((odd["least"], odd["most"]))
    assert f"has 60 of 90 images, in {said}" in words(bootstrap.mean_interval.__doc__)
    assert f"In simulation those {odd['effective']} held it in {said}" in words(DOCS)
    many = simulated("simulated scores", layout="60 patients, 2 to 97 images each")
    assert f"2 to 97 images each ({many['effective']}) held it in 95%" in words(DOCS)
    assert span((many["least"], many["most"])) == "95 to 95%"
    rare = [simulated("rare failures", patients=patients, rate=0.03) for patients in (20, 30, 50, 100)]
    shown = [f"{100 * row['coverage']:.0f}%" for row in rare]
    assert "{} of samples of 20 patients, {} of 30, {} of 50 and {} of 100".format(*shown) in words(DOCS)
    assert f"holds it in {span(row['coverage'] for row in rare[:2])} of samples" in words(
        bootstrap.mean_interval.__doc__
    )
    assert min(row["coverage_where_seen"] for row in rare) > 0.99


def test_the_shares():
    alike = span(row["coverage"] for row in FOUND["shares"] if row["alike"] == 1)
    assert f"held the truth in {alike} where they are alike" in words(DOCS)
    assert f"in {alike} where the images of a patient are all alike" in words(proportions.share_intervals.__doc__)
    assert min(row["coverage"] for row in FOUND["shares"]) >= 0.968


def test_the_test_under_skew():
    rows = [[str(row["patients"]), f"{100 * row['by_p']:.0f}%", f"{100 * row['by_p_and_interval']:.0f}%"]
            for row in FOUND["equal means, unlike skew"]]  # fmt: skip
    assert table("| patients | by p |") == rows
    (_, first, both), _, (_, last, least) = rows
    page = words((resources.files("lungseg.comparison.render") / "assets" / "comparison.html").read_text())
    assert f"below 0.05 in {first} of simulated samples of 10 patients and {last} of 50" in page
    assert f"leaves out 0, too: {both} and {least}" in page
    assert f"below 0.05 in {first} of samples of 10 patients and {last} of 50" in words(paired.Paired.__doc__)
    assert f"leaves out 0 as well in {both} and {least}" in words(paired.Paired.__doc__)


def test_equal_models():
    rows = [[str(row["models"]), str(row["patients"]), f"{100 * row['over_all_pairs']:.1f}%",
             f"{100 * row['over_pairs_with_the_best']:.1f}%"] for row in FOUND["equal models"]]  # fmt: skip
    assert table("| models | patients |") == rows
    assert max(row["over_all_pairs"] for row in FOUND["equal models"]) <= 0.055
    firsts = {
        count: span(row["first"] for row in FOUND["equal models"] if row["models"] == count) for count in (2, 5, 10)
    }
    for count, text in ((2, "two"), (5, "five"), (10, "ten")):
        assert re.search(rf"{firsts[count]} (of resamples )?where there are {text}", words(DOCS))
    told = words(ranking.Ranking.__doc__)
    assert f"of ten equal models the best is first in {firsts[10]} of them, of two in {firsts[2]}" in told


@pytest.mark.parametrize("weight", ["images", "patients"])
def test_the_two_means(weight):
    xrays, slices = FOUND["the other mean"]
    assert f"{xrays['means'][weight][0]:.3f} over" in words(DOCS)
    assert f"in {100 * xrays['coverage']['dice']:.0f}% of {xrays['samples']} samples" in words(DOCS)
    assert f"the mean over patients in {span(slices['coverage'].values())}, by score" in words(DOCS)
