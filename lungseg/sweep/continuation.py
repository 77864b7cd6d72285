"""The command that goes on with a study, made from its folder and what was read of it, never from a saved command."""

import contextlib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lungseg.errors import UserError
from lungseg.sweep.file_values import require_safe_words
from lungseg.sweep.study import Study, read_content, require_safe_given
from lungseg.trust import trust_words

RETRAINED = "retrained"  # the folder of a search in which its best is trained again


def command_of(study: Study, out: Path | None) -> str:
    """What begins the study, and goes on with it."""
    words = [f"size={study.size}", *(f"{key}={value}" for key, value in study.given.items()), *trust_words()]
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
    given = {key: value for key, value in study.given.items() if _is_safe(study, key, value)}
    words = [f"size={study.size}", *(f"{key}={value}" for key, value in given.items()), *trust_words(), *out]
    left_out = [f"{key}={value}" for key, value in study.given.items() if key not in given]
    notes = [f"add what you typed yourself of: {' '.join(left_out)}"] if left_out else []
    if not _holds(study):
        notes.append(f"STUDY.yaml: the study's own file; {study.file}, which study.json names, is not as it was")
    file = str(study.file) if _holds(study) else "STUDY.yaml"
    command = _from(came_from, ["lungseg", "sweep", file, *words])
    return f"{command} ({'; '.join(notes)})" if notes else command


def _is_safe(study: Study, key: str, value: str) -> bool:
    """Returns whether a word of the record may be proposed: what is typed is not checked when it is run."""
    axes = {axis for part in (study.content, *_mappings(study.content.get("sizes")))
            for axis in _mapping(part.get("grid"))}  # fmt: skip
    with contextlib.suppress(UserError):
        for option in value.split(",") if key in axes else [value]:
            require_safe_words({key: option}, (), "")
        require_safe_given({key: value} if key not in axes else {}, frozenset(), study.file)
        return True
    return False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [_mapping(inner) for inner in _mapping(value).values()]


def _holds(study: Study) -> bool:
    with contextlib.suppress(UserError):
        return read_content(study.file) == study.content
    return False


def _from(came_from: Path, words: Sequence[str]) -> str:
    there = Path(os.getcwd())
    prefix = f"cd {shlex.quote(str(there))} && " if there != came_from else ""
    return prefix + shlex.join(words)
