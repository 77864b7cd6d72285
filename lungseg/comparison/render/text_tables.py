"""The leaderboard as text, Markdown and LaTeX: the best is bold only where it is surely better than all others."""

import re
from collections.abc import Callable, Sequence

from lungseg.comparison.analysis import Analysis
from lungseg.comparison.report import Report, caution, interval, probability, warnings
from lungseg.comparison.subgroups import matrices
from lungseg.comparison.verdict import IDENTICAL, identical, identical_mark, seed_luck, sentence, too_few
from lungseg.core.plural import plural
from lungseg.core.text_tables import aligned

Write = Callable[[str], str]

LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
         "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
         "<": r"\textless{}", ">": r"\textgreater{}", '"': "''", "[": "{[}"}  # fmt: skip
CAPTION = "{mean} [95% interval over {patients}]{rest}; bold: surely better than all others; p: {p}"
MEANS = {"images": "mean over {cases}", "patients": "mean of the patients' means over {cases}"}
P = "against the best, by swapping scores within patients, corrected by Holm for all pairs"


def heads(report: Report, region: str) -> list[str]:
    return ["", "seeds", *(f"{found.kind.name}{_unit(found)}" for found in report.of_region(region)), "p"]


def _unit(found: Analysis) -> str:
    return f" ({found.kind.unit})" if found.kind.unit and found.kind.unit not in found.kind.name else ""


def cells(report: Report, region: str, name: Write, bold: Write, number: Write = str) -> list[list[str]]:
    """A row for each arm, the best by the first score first; ``p``: against the best, corrected."""
    shown = report.of_region(region)
    first = shown[0]
    rows = []
    for place in first.ranking.order:
        row = [name(report.arms[place].name), str(len(report.arms[place].columns))]
        for found in shown:
            text = number(interval(found, place))
            row.append(bold(text) if found.sure and place == found.best else text)
        p = probability(float(first.adjusted[place])).removeprefix("= ") + identical_mark(first, int(place))
        p = IDENTICAL if place in first.twins else p
        row.append("-" if place == first.best else number(p))
        rows.append(row)
    return rows


def text(report: Report) -> str:
    """For the terminal; a star stands for bold."""
    lines = []
    for region in report.group.table.regions:
        rows = [heads(report, region), *cells(report, region, str, lambda cell: f"{cell} *")]
        over = ", means over patients" if report.weight == "patients" else ""
        lines += ["", f"{report.group.name}: {region}{over}", *(f"  {line}" for line in aligned(rows))]
        lines += [f"  {said}" for said in [caution(report, region)] if said]
        for _, rows in matrices(report, region):
            lines += ["", *(f"  {line}" for line in aligned(rows))]
        lines += ["", sentence(report.of_region(region)[0], report.arms).replace("**", "")]
    return "\n".join(lines + [f"{said}" for said in warnings(report)])


def markdown(reports: Sequence[Report]) -> str:
    parts = ["# Comparison\n"]
    for report in reports:
        for region in report.group.table.regions:
            shown = report.of_region(region)
            rows = cells(report, region, _markdown_name, lambda cell: f"**{cell}**")
            head = ["model", *heads(report, region)[1:]]
            parts.append(f"## {_markdown_name(report.group.name)}: {region}\n")
            parts.append(sentence_in_markdown(shown[0], report) + "\n")
            parts += [f"{said}\n" for said in warnings(report)]
            parts.append(_markdown_table([head, *rows]))
            caption = _caption(report, region)
            parts.append(f"{caption[0].upper()}{caption[1:]}.\n")
            parts += [f"{said}\n" for said in [caution(report, region)] if said]
            for _, rows in matrices(report, region):
                parts.append(_markdown_table([[_markdown_name(cell) for cell in row] for row in rows]))
    return "\n".join(parts)


def _markdown_table(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def sentence_in_markdown(found: Analysis, report: Report) -> str:
    """Names are escaped, the bold of the sentence is not."""
    pieces = sentence(found, report.arms).split("**")
    return "**".join(_markdown_name(piece) for piece in pieces)


def _markdown_name(name: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|#~$&])", r"\\\1", name).replace("\n", " ")


def latex(reports: Sequence[Report]) -> str:
    """Needs the package booktabs; a table for each task, data and region, and one by hospital and by ``by=``."""
    parts = ["% \\usepackage{booktabs}"]
    for report in reports:
        for region in report.group.table.regions:
            shown = report.of_region(region)
            rows = cells(report, region, _latex_name, lambda cell: f"\\textbf{{{cell}}}", _latex_number)
            head = ["Model", *(_latex_name(word) for word in heads(report, region)[1:-1]), "$p$"]
            about = f"{_latex_name(report.group.name)}, {_latex_name(region)}"
            said = f"{_caption(report, region)}. {caution(report, region)}{_remarks(shown[0], report)}".strip()
            parts.append(_latex_table([head, *rows], f"{about}: {_latex_name(said)}"))
            for by, rows in matrices(report, region):
                escaped = [[_latex_name(cell) for cell in row] for row in rows]
                caption = f"{about}, by {_latex_name(by)}: {_latex_name(shown[0].kind.name)}."
                parts.append(_latex_table(escaped, caption))
    return "\n".join(parts)


def _remarks(found: Analysis, report: Report) -> str:
    """Says what the sentence above other tables says beside its numbers."""
    return seed_luck(found, report.arms) + too_few(found) + identical(found, report.arms)


def _latex_table(rows: Sequence[Sequence[str]], caption: str) -> str:
    lines = [" & ".join(row) + r" \\" for row in rows]
    return (
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{caption}}}\n"
        f"\\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}\n\\toprule\n{lines[0]}\n\\midrule\n"
        + "\n".join(lines[1:])
        + "\n\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def _latex_name(name: str) -> str:
    escaped = "".join(LATEX.get(letter, letter) for letter in name)
    return escaped.replace("·", "$\\cdot$").replace("--", "-{}-").replace("\n", " ")


def _latex_number(text: str) -> str:
    return text.replace("<", "$<$")


def _caption(report: Report, region: str) -> str:
    """Of which cases; false alarms are of the others."""
    first, *others = report.of_region(region)
    alarms = [found.cases for found in others if found.kind.share]
    rest = f", false alarms over the {alarms[0]} without the region" if alarms else ""
    mean = MEANS[report.weight].format(cases=plural(first.cases, "case"))
    return CAPTION.format(mean=mean, patients=plural(first.patients, "patient"), rest=rest, p=P)
