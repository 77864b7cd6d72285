"""From the places that a user names to the judged runs in them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lungseg.comparison.judged_run import JudgedRun, flat, read_entry
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.core.shell_commands import evaluate_command, resume_command

log = logging.getLogger("lungseg")

DEEPEST = 4  # folders below a place that are searched for runs


class NothingToCompareError(UserError):
    """There are fewer than two runs that could be paired; what is there is fine."""


@dataclass(frozen=True)
class Wanted:
    """``evaluation``: the name of a judgement that each run has; None: its own test. ``tuned``: see ``read_cases``."""

    evaluation: str | None = None
    tuned: bool = False


def gather(places: Sequence[Path], wanted: Wanted) -> list[JudgedRun]:
    """A place is a run, one of its judgements, or a folder that holds runs at some depth.

    A run that was named must be fit to be compared; one that was only found in a folder is told and left out.
    """
    entries: dict[Path, JudgedRun] = {}
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


def _of_place(place: Path, wanted: Wanted) -> Iterator[JudgedRun]:
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


def _of_run(run: Run, wanted: Wanted) -> JudgedRun:
    for needed in (run.config_file, run.manifest_file, run.splits_file):
        if not needed.is_file():
            raise UserError(f"{run.path}: {needed.name} is missing: begun and not finished, or deleted half-way")
    name = wanted.evaluation or f"{_data_name(run)}-test"
    folder = run.path / "evaluation" / name
    if (folder / "cases.csv").is_file():
        return read_entry(folder, wanted.tuned)
    status = run.manifest().get("status")
    if status != "finished" and wanted.evaluation is None:
        raise UserError(f"{run.path}: is not finished ({status}); go on with it: {resume_command(run.path)}")
    there = sorted(path.parent.name for path in run.path.glob("evaluation/*/cases.csv"))
    has = f"it has {', '.join(there)}" if there else "it has none"
    raise UserError(f"{run.path}: was not judged as {name} ({has}); {_how_to_make(run, name)}")


def _how_to_make(run: Run, name: str) -> str:
    """Says how a judgement of that name is made, where its name tells how."""
    data = flat(run.saved_values()).get("data.name")
    if name == f"{data}-test":
        return f"judge it: {evaluate_command(run.path)}"
    if name == f"{data}-val":
        return f"judge it: {evaluate_command(run.path, split='val')}"
    return (
        f"name one of these by evaluation=, or judge it on that data or with those options: "
        f"{evaluate_command(run.path)} data=..."
    )


def _data_name(run: Run) -> str:
    """Returns what the run's data set is called, by which its own test is found."""
    name = flat(run.saved_values()).get("data.name")
    if not isinstance(name, str) or not name:
        has = "nothing" if name is None else repr(name)[:40]
        raise UserError(
            f"{run.config_file}: data.name is {has}; expected the name of a data set, by which the run's own test is "
            "found; restore it, or name the judgement that is to be compared by evaluation=NAME"
        )
    return name
