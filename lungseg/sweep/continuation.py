"""The command that goes on with a study, made from its folder and what was read of it, never from a saved command."""

import contextlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from lungseg.errors import UserError
from lungseg.sweep.study import Study, read_content

RETRAINED = "retrained"  # the folder of a search in which its best is trained again


def command_of(study: Study, out: Path | None) -> str:
    """What begins the study, and goes on with it."""
    words = [f"size={study.size}", *(f"{key}={value}" for key, value in study.given.items())]
    return shlex.join(["lungseg", "sweep", str(study.file), *words, *([f"out={out}"] if out else [])])


def continuation(study: Study, came_from: Path) -> str:
    """The command to type in the folder ``came_from``; paths in it hold from the working directory of now.

    A ``study.json`` may name any file: one that does not hold what the study is made of is not put into a command.
    """
    folder = study.folder
    if folder.parent.name == RETRAINED and (folder.parent.parent / "study.json").is_file():
        return _from(
            came_from, ["lungseg", "sweep", "retrain", str(folder.parent.parent), f"seeds={len(study.trials)}"]
        )
    own = Path("studies") / f"{study.file.stem}-{study.size}"
    out = [] if folder == own else [f"out={folder}"]
    words = [f"size={study.size}", *(f"{key}={value}" for key, value in study.given.items()), *out]
    if _holds(study):
        return _from(came_from, ["lungseg", "sweep", str(study.file), *words])
    command = _from(came_from, ["lungseg", "sweep", "STUDY.yaml", *words])
    return f"{command} (STUDY.yaml: the study's own file; {study.file}, which study.json names, is not as it was)"


def _holds(study: Study) -> bool:
    with contextlib.suppress(UserError):
        return read_content(study.file) == study.content
    return False


def _from(came_from: Path, words: Sequence[str]) -> str:
    there = Path(os.getcwd())
    prefix = f"cd {shlex.quote(str(there))} && " if there != came_from else ""
    return prefix + shlex.join(words)
