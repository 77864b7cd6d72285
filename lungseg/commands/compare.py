"""``lungseg compare``: which of several runs is better, and how surely, as tables, figures and a page."""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lungseg.comparison.album import BUDGET, album
from lungseg.comparison.figures import draw
from lungseg.comparison.gathering import Wanted, gather
from lungseg.comparison.group import group
from lungseg.comparison.page import page
from lungseg.comparison.report import Report, csv_rows, report
from lungseg.comparison.tables import latex, markdown, text
from lungseg.config import suggestion
from lungseg.errors import UsageError
from lungseg.files import write_atomically
from lungseg.tables import write_table

log = logging.getLogger("lungseg")


KEYS = ("out", "evaluation", "threshold", "common", "title", "pictures")


def compare_words(words: Sequence[str], wandb: bool = False) -> int:
    """Of the command line: places, and the keys above; a place that has an equals sign in its name is still a place."""
    places = [Path(word) for word in words if "=" not in word or Path(word).exists()]
    values = dict(word.split("=", 1) for word in words if "=" in word and not Path(word).exists())
    for key in values:
        if key not in KEYS:
            raise UsageError(
                f"{key}: compare takes {', '.join(f'{name}=' for name in KEYS)}{suggestion(key, list(KEYS))}"
            )
    if not places:
        raise UsageError("which runs? give run directories, or folders that hold them: lungseg compare runs")
    threshold = _one_of(values, "threshold", ("chosen", "tuned"))
    pictures = values.get("pictures", str(BUDGET))
    if pictures != "all" and not pictures.replace(".", "", 1).isdigit():
        raise UsageError(f"pictures={pictures}: expected megabytes, for example pictures={BUDGET}, or all")
    return compare(
        places,
        Path(values.get("out", "comparison")),
        wanted=Wanted(values.get("evaluation"), threshold == "tuned"),
        common=_one_of(values, "common", ("false", "true")) == "true",
        title=values.get("title"),
        pictures=math.inf if pictures == "all" else float(pictures),
        wandb=wandb,
        words=words,
    )


def _one_of(values: Mapping[str, str], key: str, known: Sequence[str]) -> str:
    """The first is the default."""
    value = values.get(key, known[0])
    if value not in known:
        raise UsageError(f"{key}={value}: expected {' or '.join(known)}")
    return value


def compare(
    places: Sequence[Path],
    out: Path,
    *,
    wanted: Wanted | None = None,
    common: bool = False,
    title: str | None = None,
    pictures: float = BUDGET,
    wandb: bool = False,
    words: Sequence[str] = (),
) -> int:
    """Everything is worked out before anything is written; the page comes last."""
    groups = group(gather(places, wanted or Wanted()), common)
    reports = [report(one) for one in groups]
    for one in reports:
        log.info("%s", text(one))
    albums = [album(one, pictures / len(reports)) for one in reports]
    command = ["lungseg", "compare", *(words or [*map(str, places), f"out={out}"])]
    heading = title or _title(reports)
    whole = page(reports, albums, heading, command)
    write_table(csv_rows(reports), out / "comparison.csv")
    write_atomically(out / "comparison.md", markdown(reports))
    write_atomically(out / "comparison.tex", latex(reports))
    for one in reports:
        for region in one.group.table.regions:
            draw(one, region, out / "figures", _stem(one, region))
    write_atomically(out / "comparison.html", whole)
    if wandb:
        from lungseg.comparison.wandb_table import send

        send(reports, out, heading)
    for name in ("comparison.csv", "comparison.md", "comparison.tex", "figures"):
        log.info("%-9s %s", name.partition(".")[2] or name, out / name)
    log.info("\n%-9s %s", "page", out / "comparison.html")
    return 0


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
