"""From the places that a user names to the judged runs in them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lungseg.comparison.entry import Entry, read_entry
from lungseg.errors import UserError
from lungseg.runs import Run

log = logging.getLogger("lungseg")

DEEPEST = 4  # folders below a place that are searched for runs


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
        if (place / "cases.csv").is_file():
            entries[place.resolve()] = read_entry(place, wanted.tuned)
        elif (place / "config.yaml").is_file() or (place / "manifest.json").is_file():
            entries[place.resolve()] = _of_run(Run(place), wanted)
        else:
            for path in _runs_below(place):
                try:
                    entries[path.resolve()] = _of_run(Run(path), wanted)
                except UserError as error:
                    log.info("left out: %s", error)
    if len(entries) < 2:
        found = f"only {next(iter(entries.values())).run.path}" if entries else "none"
        raise UserError(f"{' '.join(map(str, places))}: holds {found} to compare; at least 2 judged runs are needed")
    return list(entries.values())


def _runs_below(place: Path, depth: int = DEEPEST) -> list[Path]:
    """In the order of their names; nothing within a run is searched."""
    found: list[Path] = []
    for path in sorted(path for path in place.iterdir() if path.is_dir()):
        if (path / "manifest.json").is_file() or (path / "config.yaml").is_file():
            found.append(path)
        elif depth > 1:
            found += _runs_below(path, depth - 1)
    return found


def _of_run(run: Run, wanted: Wanted) -> Entry:
    for needed in (run.config_file, run.manifest_file):
        if not needed.is_file():
            raise UserError(f"{run.path}: {needed.name} is missing: begun and not finished, or deleted half-way")
    name = wanted.evaluation or f"{run.config().data.name}-test"
    folder = run.path / "evaluation" / name
    if (folder / "cases.csv").is_file():
        return read_entry(folder, wanted.tuned)
    status = run.manifest().get("status")
    if status != "finished" and wanted.evaluation is None:
        raise UserError(f"{run.path}: is not finished ({status}); go on with it: python train.py resume={run.path}")
    there = sorted(path.parent.name for path in run.path.glob("evaluation/*/cases.csv"))
    has = f"it has {', '.join(there)}" if there else "it has none"
    raise UserError(f"{run.path}: was not judged as {name} ({has}); judge it: python evaluate.py run={run.path}")
