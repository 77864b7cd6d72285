import csv
import re

import pytest

from lungseg.comparison.render.text_tables import latex, markdown, text
from lungseg.comparison.report import csv_rows
from tests.comparison.runs import family, make_run, people, report_of, scores_of

NASTY = r"a_b & 100% $x$ #1 {y} ~^\ <i>|`*[c]--" + '"'


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = family(tmp_path_factory.mktemp("family"), pictures=False)
    return report_of(*(root / name for name in ("best-0", "best-1", "tuned", "plain")))


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    root = tmp_path_factory.mktemp("nasty")
    for number, name in enumerate((NASTY, "[first", "**bold**")):
        make_run(root / f"r{number}", people(12), scores_of(12, seed=number), label=name, pictures=False)
    return report_of(root)


def rows_of(table):
    """Cells of each row of a Markdown table; a bar that is escaped parts none."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


def test_markdown_has_a_row_for_each_arm_and_bolds_what_is_sure(report):
    found = markdown([report])
    rows = rows_of(found)
    assert len(rows) == 5
    assert len({len(row) for row in rows}) == 1
    head, _, best, *others = [[cell.strip() for cell in row] for row in rows]
    assert head[:3] == ["model", "seeds", "Dice"]
    assert best[:2] == ["unet scratch", "2"]
    assert re.fullmatch(r"\*\*0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]\*\*", best[2])
    assert not any("**" in cell for row in others for cell in row[:3])
    place = head.index("False alarms")
    assert "**" not in best[place]
    assert best[-1] == "-"
    assert (
        "Mean over 18 cases [95% interval over 9 patients], false alarms over the 6 without the region; bold" in found
    )


def test_bold_stands_only_where_the_difference_is_sure(tmp_path):
    for number in range(2):
        make_run(tmp_path / f"r{number}", people(12), scores_of(12, seed=number), model__width=number, pictures=False)
    report = report_of(tmp_path)
    assert not any("**" in line for line in markdown([report]).splitlines() if line.startswith("|"))
    assert "textbf" not in latex([report])
    assert "*" not in text(report).replace("**", "")


def test_latex_is_balanced_and_every_row_has_all_columns(report, nasty):
    found = latex([report, nasty])
    bare = re.sub(r"\\[\\&%$#_{}]", "", found)
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    assert found.count(r"\begin{table}") == found.count(r"\end{table}") == 2
    for part in found.split(r"\begin{tabular}")[1:]:
        columns = len(re.match(r"\{(l r*|lr*)\}", part).group(1))
        body = re.search(r"\\toprule\n(.*?)\\bottomrule", part, re.DOTALL).group(1)
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in rows} == {columns}
        assert not any(line.startswith("[") for line in rows)  # else an argument of the line before
    assert not re.search(r'(?<!\\)[#~^"]', bare.replace("$<$", ""))
    assert not re.search(r"(?<!\\)%(?! \\usepackage)", found)


def test_names_are_escaped_in_latex(nasty):
    found = latex([nasty])
    assert r"a\_b \& 100\% \$x\$ \#1 \{y\} \textasciitilde{}\textasciicircum{}\textbackslash{} \textless{}i" in found
    assert "{[}first" in found


def test_names_are_escaped_in_markdown(nasty):
    found = markdown([nasty])
    rows = rows_of(found)
    assert {len(row) for row in rows} == {len(rows[0])}
    shown = [re.sub(r"\\(.)", r"\1", row[0].strip()) for row in rows[2:]]
    assert sorted(shown) == sorted([NASTY, "[first", "**bold**"])
    assert not re.search(r"(?<!\\)<i", found)
    said = next(line for line in found.splitlines() if "has the best Dice" in line)
    assert len(re.findall(r"(?<!\\)\*\*", said)) % 2 == 0


def test_text_is_aligned_and_stars_the_best(report):
    lines = text(report).splitlines()
    head = next(n for n, line in enumerate(lines) if "Dice" in line)
    dice = lines[head].index("Dice")
    assert all(lines[head + n][dice] == "0" for n in (1, 2, 3))
    assert re.search(r"unet scratch +2 +0\.\d{3} \[0\.\d{3}, 0\.\d{3}\] \*", lines[head + 1])


def test_csv_has_a_row_for_each_arm_and_score(report, tmp_path):
    from lungseg.core.text_tables import write_table

    rows = csv_rows([report])
    write_table(rows, tmp_path / "x.csv")
    back = list(csv.DictReader((tmp_path / "x.csv").open()))
    assert len(back) == 3 * len(report.analyses)
    one = next(row for row in back if row["score"] == "hd95" and row["rank"] == "1")
    assert (one["arm"], one["seeds"], one["unit"], one["transfer"]) == ("unet scratch", "2", "px", "scratch")
    assert float(one["low"]) < float(one["mean"]) < float(one["high"])
    assert one["runs"].split()[0].endswith("best-0")
