"""``lungseg compare``: which of several runs is better, and how surely, as tables, figures and a page."""

import logging
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lungseg.comparison.album import BUDGET, album
from lungseg.comparison.figures import draw
from lungseg.comparison.gathering import Wanted, gather
from lungseg.comparison.group import group
from lungseg.comparison.page import page
from lungseg.comparison.report import Report, csv_rows, report
from lungseg.comparison.subgroups import subgroup_rows
from lungseg.comparison.tables import latex, markdown, text
from lungseg.config import suggestion
from lungseg.errors import UsageError, UserError
from lungseg.files import replaced, write_atomically
from lungseg.tables import write_table

log = logging.getLogger("lungseg")


KEYS = ("out", "evaluation", "threshold", "common", "title", "pictures")


def compare_words(words: Sequence[str], wandb: bool = False) -> int:
    """Of the command line: places, and the keys above; a place that has an equals sign in its name is still a place."""
    places = [Path(word) for word in words if "=" not in word or Path(word).exists()]
    values = _values([word for word in words if "=" in word and not Path(word).exists()])
    if not places:
        raise UsageError("which runs? give run directories, or folders that hold them: lungseg compare runs")
    threshold = _one_of(values, "threshold", ("chosen", "tuned"))
    return compare(
        places,
        Path(values.get("out", "comparison")),
        wanted=Wanted(values.get("evaluation"), threshold == "tuned"),
        common=_one_of(values, "common", ("false", "true")) == "true",
        title=values.get("title"),
        pictures=_megabytes(values.get("pictures", str(BUDGET))),
        wandb=wandb,
        words=words,
    )


def _values(words: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in KEYS:
            what = f"{word}: no such directory, and" if "/" in word else f"{key}:"
            raise UsageError(f"{what} compare takes {', '.join(f'{n}=' for n in KEYS)}{suggestion(key, list(KEYS))}")
        if key in values:
            raise UsageError(f"{key}: given twice, {values[key]} and {value}; leave one out")
        if not value:
            raise UsageError(f"{key}=: a value is needed, or leave it out")
        values[key] = value
    return values


def _megabytes(text: str) -> float:
    try:
        value = math.inf if text == "all" else float(text)
    except ValueError:
        value = -1
    if not value >= 0:
        raise UsageError(f"pictures={text}: expected megabytes, for example pictures={BUDGET}, or all")
    return value


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
    _require_folder(out)
    groups = group(gather(places, wanted or Wanted()), common)
    reports = [report(one) for one in groups]
    for one in reports:
        log.info("%s", text(one))
    albums = [album(one, pictures / len(reports)) for one in reports]
    command = ["lungseg", "compare", *(words or [*map(str, places), f"out={out}"])]
    heading = title or _title(reports)
    whole = page(reports, albums, heading, command)
    _write(reports, out, whole)
    if wandb:
        from lungseg.comparison.wandb_table import send

        send(reports, out, heading)
    for name in ("comparison.csv", "subgroups.csv", "comparison.md", "comparison.tex", "figures"):
        log.info("%-9s %s", name.partition(".")[2] or name, out / name)
    log.info("\n%-9s %s", "page", out / "comparison.html")
    return 0


def _write(reports: Sequence[Report], out: Path, whole: str) -> None:
    texts = {"comparison.md": markdown(reports), "comparison.tex": latex(reports)}
    figures: dict[str, bytes] = {}
    for one in reports:
        for region in one.group.table.regions:
            figures |= draw(one, region, _stem(one, region))
    write_table(csv_rows(reports), out / "comparison.csv")
    write_table(
        subgroup_rows(reports), out / "subgroups.csv", ("task", "region", "score", "by", "group", "arm", "mean")
    )
    for name, content in texts.items():
        write_atomically(out / name, content)
    for name, drawn in figures.items():
        with replaced(out / "figures" / name) as partial:
            partial.write_bytes(drawn)
    write_atomically(out / "comparison.html", whole)


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
