"""From the places that a user names to the judged runs in them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lungseg.comparison.entry import Entry, flat, read_entry, read_manifest
from lungseg.errors import UserError
from lungseg.runs import Run

log = logging.getLogger("lungseg")

DEEPEST = 4  # folders below a place that are searched for runs


class NothingToCompareError(UserError):
    """There are fewer than two runs that could be paired; what is there is fine."""


@dataclass(frozen=True)
class Wanted:
    """``evaluation``: the name of a judgement that each run has; None: its own test. ``tuned``: see ``read_cases``."""

    evaluation: str | None = None
    tuned: bool = False


def gather(places: Sequence[Path], wanted: Wanted) -> list[Entry]:
    """A place is a run, one of its judgements, or a folder that holds runs at some depth.

    A run that was named must be fit to be compared; one that was only found in a folder is told and left out.
    """
    entries: dict[Path, Entry] = {}
    for place in places:
        if not place.exists():
            raise UserError(f"{place}: no such directory; expected runs, or folders that hold runs")
        if place.is_file():
            raise UserError(f"{place}: is a file; expected a run directory, or a folder that holds runs")
        for entry in _of_place(place, wanted):
            entries.setdefault(entry.folder.resolve(), entry)
    if len(entries) < 2:
        found = f"only {next(iter(entries.values())).run.path}" if entries else "none"
        said = " ".join(map(str, dict.fromkeys(places)))
        raise NothingToCompareError(f"{said}: holds {found} to compare; at least 2 different judged runs are needed")
    return list(entries.values())


def _of_place(place: Path, wanted: Wanted) -> Iterator[Entry]:
    if (place / "cases.csv").is_file() or (place / "summary.json").is_file():
        yield read_entry(place, wanted.tuned)
    elif _is_run(place):
        yield _of_run(Run(place), wanted)
    else:
        for path in _runs_below(place):
            try:
                yield replace(_of_run(Run(path), wanted), named=False)
            except UserError as error:
                log.info("left out: %s", error)


def _is_run(path: Path) -> bool:
    """Also one of which something was deleted."""
    return any((path / name).is_file() for name in ("config.yaml", "manifest.json", "splits.json"))


def _runs_below(place: Path, depth: int = DEEPEST) -> list[Path]:
    """In the order of their names; nothing within a run is searched."""
    found: list[Path] = []
    try:
        folders = sorted(path for path in place.iterdir() if path.is_dir())
    except OSError as error:
        raise UserError(f"{place}: cannot be read ({error.strerror}); make it readable, or name the runs") from None
    for path in folders:
        if _is_run(path):
            found.append(path)
        elif depth > 1:
            found += _runs_below(path, depth - 1)
    return found


def _of_run(run: Run, wanted: Wanted) -> Entry:
    for needed in (run.config_file, run.manifest_file, run.splits_file):
        if not needed.is_file():
            raise UserError(f"{run.path}: {needed.name} is missing: begun and not finished, or deleted half-way")
    name = wanted.evaluation or f"{flat(run.saved_values()).get('data.name')}-test"
    folder = run.path / "evaluation" / name
    if (folder / "cases.csv").is_file():
        return read_entry(folder, wanted.tuned)
    status = read_manifest(run).get("status")
    if status != "finished" and wanted.evaluation is None:
        raise UserError(f"{run.path}: is not finished ({status}); go on with it: python train.py resume={run.path}")
    there = sorted(path.parent.name for path in run.path.glob("evaluation/*/cases.csv"))
    has = f"it has {', '.join(there)}" if there else "it has none"
    raise UserError(f"{run.path}: was not judged as {name} ({has}); judge it: python evaluate.py run={run.path}")
