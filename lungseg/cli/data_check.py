"""``lungseg data check``: everything that is wrong with a data set, and what it looks like."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lungseg.core.atomic_io import replaced
from lungseg.core.config.data_config import DataConfig
from lungseg.core.plural import plural
from lungseg.core.security.printable_text import one_line
from lungseg.core.text_tables import aligned, write_table
from lungseg.data.attributes import cells, counted
from lungseg.data.audit.inspect import Finding, inspect_all, table, together, untrainable
from lungseg.data.build import build_cases
from lungseg.data.case import Case, place
from lungseg.data.sources.issues import Problem
from lungseg.data.visualize.contact_sheet import draw_contacts

log = logging.getLogger("lungseg")

TOLD = 5  # problems of a kind that are named on the screen; problems.csv has all
SHOWN = 18  # cases of a class on its contact sheet


def check(data: DataConfig, out: Path, regions: Sequence[str] | None = None) -> int:
    """Read everything once; 1 if anything would harm a training of the task with these ``regions``, or of any."""
    problems: list[Problem] = []
    cases = build_cases(data.source, problems)
    findings = list(inspect_all(cases, _drawn(cases)))
    problems += [problem for finding in findings for problem in finding.problems] + together(
        cases, findings, data, regions
    )
    patients = plural(len({case.patient for case in cases}), "patient")
    log.info("%s: %s of %s\n", data.source.name, plural(len(cases), "case"), patients)
    log.info("%s\n", "\n".join(aligned(table(findings))))
    _tell_attributes(cases)
    _tell(problems)
    out.mkdir(parents=True, exist_ok=True)
    write_table([_row(finding) for finding in findings], out / "cases.csv")
    write_table(
        [{"kind": p.kind, "harm": p.harm, "path": one_line(p.path), "said": one_line(p.said)} for p in problems],
        out / "problems.csv",
        ("kind", "harm", "path", "said"),
    )
    for sheet in _sheets(findings, out):
        log.info("sheet     %s", sheet)
    log.info("cases     %s", out / "cases.csv")
    log.info("problems  %s", out / "problems.csv")
    harmful = sum(problem.harm for problem in problems)
    log.info("\n%s", _verdict(harmful, untrainable(findings, data.preprocessing.view)))
    return int(harmful > 0)


def _verdict(harmful: int, reason: str | None) -> str:
    if harmful:
        return f"{plural(harmful, 'problem')} would harm a training"
    return f"nothing is wrong here, but {reason}" if reason else "nothing here would harm a training"


def _drawn(cases: Sequence[Case]) -> frozenset[str]:
    """Some of every class, always the same."""
    by_label: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        by_label[case.label].append(case.id)
    generator = np.random.default_rng(0)
    return frozenset(id for ids in by_label.values() for id in generator.permutation(ids)[:SHOWN].tolist())


def _sheets(findings: Sequence[Finding], out: Path) -> list[Path]:
    paths = []
    for label in sorted({finding.case.label for finding in findings}):
        group = [f for f in findings if f.case.label == label and f.thumbnail is not None]
        tiles = [(f.thumbnail, f.outlines, f.case.id) for f in group if f.thumbnail is not None]
        if tiles:
            path = out / f"sheet-{''.join(c if c.isalnum() else '-' for c in label)}.png"
            with replaced(path) as partial:
                Image.fromarray(draw_contacts(tiles, f"{label}: {plural(len(tiles), 'case')} drawn by chance")).save(
                    partial
                )
            paths.append(path)
    return paths


def _tell_attributes(cases: Sequence[Case]) -> None:
    """Says how many cases are in each group of each attribute; nothing where the data have none."""
    found = counted(case.attributes for case in cases)
    for name, groups in found.items():
        log.info("%s: %s", one_line(name), ", ".join(f"{one_line(group)} {number}" for group, number in groups.items()))
    if found:
        log.info("")


def _tell(problems: Sequence[Problem]) -> None:
    kinds: dict[tuple[bool, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        kinds[not problem.harm, problem.kind].append(problem)
    for (harmless, kind), group in sorted(kinds.items()):
        log.info("%s%s: %d", kind, " (does no harm)" if harmless else "", len(group))
        for problem in group[:TOLD]:
            log.info("  %s", problem)
        if len(group) > TOLD:
            log.info("  ... and %d more", len(group) - TOLD)
    if problems:
        log.info("")


def _row(finding: Finding) -> dict[str, Any]:
    case = finding.case
    return {
        "id": case.id,
        "file": place(case),
        "patient": case.patient,
        "class": case.label,
        "split": case.split or "",
        "domain": case.domain or "",
        **cells(case.attributes),
        "size": "x".join(str(side) for side in finding.shape[::-1]),
        "kind": finding.kind,
        **{f"{region}_share": round(share, 6) for region, share in finding.coverage.items()},
        "problems": "; ".join(problem.kind for problem in finding.problems),
    }
