"""``lungseg compare``: which of several runs is better, and how surely, as tables, figures and a page."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lungseg.cli.compare_keys import megabytes, one_of, values_of
from lungseg.comparison.case_groups import require_known
from lungseg.comparison.discover import NothingToCompareError, Wanted, gather
from lungseg.comparison.grouping import Group, group
from lungseg.comparison.render.figures import draw
from lungseg.comparison.render.html import page
from lungseg.comparison.render.search_figures import draw_search
from lungseg.comparison.render.text_tables import latex, markdown, text
from lungseg.comparison.render.thumbnails import BUDGET, album
from lungseg.comparison.report import DOMAIN, Report, csv_rows, report
from lungseg.comparison.search_report import sentence
from lungseg.comparison.search_results import FILE, Search, read_search
from lungseg.comparison.subgroups import subgroup_rows
from lungseg.core.atomic_io import replaced, write_atomically
from lungseg.core.errors import UsageError, UserError
from lungseg.core.security.printable_text import one_line
from lungseg.core.text_tables import write_table
from lungseg.metrics.stats.patient_weights import WEIGHTS, Weight

log = logging.getLogger("lungseg")


@dataclass(frozen=True)
class ComparisonOptions:
    """Says what of the runs is compared, and how it is shown."""

    wanted: Wanted = field(default_factory=Wanted)
    common: bool = False  # only the cases that all runs were judged on
    weight: Weight = "images"
    by: str | None = None  # an attribute
    title: str | None = None
    pictures: float = BUDGET  # megabytes
    wandb: bool = False


DEFAULT = ComparisonOptions()


def compare_words(words: Sequence[str], wandb: bool = False) -> int:
    """Splits the command line into places and keys; a place that has an equals sign in its name is still a place."""
    places = [Path(word) for word in words if "=" not in word or Path(word).exists()]
    values = values_of([word for word in words if "=" in word and not Path(word).exists()])
    if not places:
        raise UsageError("which runs? give run directories, or folders that hold them: lungseg compare runs")
    threshold = one_of(values, "threshold", ("chosen", "tuned"))
    options = ComparisonOptions(
        wanted=Wanted(values.get("evaluation"), threshold == "tuned"),
        common=one_of(values, "common", ("false", "true")) == "true",
        weight="patients" if one_of(values, "weight", WEIGHTS) == "patients" else "images",
        by=values.get("by"),
        title=values.get("title"),
        pictures=megabytes(values.get("pictures", str(BUDGET))),
        wandb=wandb,
    )
    return compare(places, Path(values.get("out", "comparison")), options, words, _search_in(places))


def _search_in(places: Sequence[Path]) -> Path | None:
    """What a search left directly within a place; a page shows one."""
    found = list(dict.fromkeys(place / FILE for place in places if (place / FILE).is_file()))
    if len(found) > 1:
        log.info("of the searches, the first is shown: %s", found[0])
    return found[0] if found else None


def compare(
    places: Sequence[Path],
    out: Path,
    options: ComparisonOptions = DEFAULT,
    words: Sequence[str] = (),
    search: Path | None = None,
) -> int:
    """Everything is worked out before anything is written; the page comes last.

    ``search``: a ``search.json`` whose section the page gets; with it, runs that cannot be compared leave that alone.
    """
    _require_folder(out)
    command = ["lungseg", "compare", *(words or [*map(str, places), f"out={out}"])]
    searched = None if search is None else read_search(search)
    try:
        groups = group(gather(places, options.wanted), options.common)
    except NothingToCompareError:
        if search is None:
            raise
        log.info("only one run stands for the search, so nothing is compared on the test cases\n")
        return search_page(search, out, title=options.title, command=command)
    reports = _reports(groups, options)
    albums = [album(one, options.pictures / len(reports)) for one in reports]
    heading = options.title or _title(reports)
    whole = page(reports, albums, heading, command, searched)
    if searched is not None:
        log.info("")
        _tell(searched)
    _write(reports, out, whole, {} if searched is None else draw_search(searched))
    if options.wandb:
        from lungseg.comparison.render.wandb_table import send

        send(reports, out, heading)
    for name in ("comparison.csv", "subgroups.csv", "comparison.md", "comparison.tex", "figures"):
        log.info("%-9s %s", name.partition(".")[2] or name, out / name)
    log.info("\n%-9s %s", "page", out / "comparison.html")
    return 0


def _reports(groups: Sequence[Group], options: ComparisonOptions) -> list[Report]:
    """Works out and tells what each group of runs comes to."""
    by = options.by
    if by is not None:
        require_known(by, groups)
    reports = [report(one, weight=options.weight, by=by or DOMAIN) for one in groups]
    for one in reports:
        log.info("%s", text(one))
        if by is not None and not any(part.by == by for found in one.analyses.values() for part in found.subgroups):
            log.info("no table by %s: all cases of %s are of one group, or unknown", by, one.group.name)
    return reports


def search_page(search: Path, out: Path, *, title: str | None = None, command: Sequence[str] = ()) -> int:
    """The page and the figures of a search alone, where no two of its trials can be compared as runs."""
    _require_folder(out)
    found = read_search(search)
    heading = title or f"Search: {search.resolve().parent.name}"
    whole = page([], [], heading, command or ["lungseg", "compare", str(search.parent), f"out={out}"], found)
    _tell(found)
    _write_figures(draw_search(found), out)
    write_atomically(out / "comparison.html", whole)
    log.info("%-9s %s", "figures", out / "figures")
    log.info("\n%-9s %s", "page", out / "comparison.html")
    return 0


def _tell(search: Search) -> None:
    log.info("%s", sentence(search).replace("**", ""))
    if search.retrain and search.retrained is None:
        log.info("  %s\n", one_line(search.retrain))


def _write(reports: Sequence[Report], out: Path, whole: str, figures: dict[str, bytes]) -> None:
    texts = {"comparison.md": markdown(reports), "comparison.tex": latex(reports)}
    for one in reports:
        for region in one.group.table.regions:
            figures |= draw(one, region, _stem(one, region))
    write_table(csv_rows(reports), out / "comparison.csv")
    write_table(
        subgroup_rows(reports), out / "subgroups.csv", ("task", "region", "score", "by", "group", "arm", "mean")
    )
    for name, content in texts.items():
        write_atomically(out / name, content)
    _write_figures(figures, out)
    write_atomically(out / "comparison.html", whole)


def _write_figures(figures: Mapping[str, bytes], out: Path) -> None:
    for name, drawn in figures.items():
        with replaced(out / "figures" / name, lasting=False) as partial:
            partial.write_bytes(drawn)


def _require_folder(out: Path) -> None:
    """Known before minutes are spent."""
    for path in (out / "figures", out, *out.parents):
        if path.exists() and not path.is_dir():
            raise UserError(f"out={out}: {path} is a file; expected a folder: move it away, or choose another out=...")
    there = next(path for path in (out, *out.parents) if path.exists())
    if not os.access(there, os.W_OK):
        raise UserError(f"out={out}: {there} cannot be written to; choose another out=...")


def _title(reports: Sequence[Report]) -> str:
    models = sorted({entry.model for one in reports for entry in one.group.entries})
    tasks = sorted({entry.task for one in reports for entry in one.group.entries})
    named = " and ".join(models) if len(models) < 3 else f"{len(models)} models"
    return f"{named}: {' and '.join(tasks)}"


def _stem(one: Report, region: str) -> str:
    """A file name of the group and the region: letters, digits, dots and dashes."""
    first = one.group.entries[0]
    parts = [first.task, first.data, one.group.table.summary["split"], *([region] if region != first.task else [])]
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(map(str, parts))).strip("-")
