"""Makes the command that goes on with a study from its folder and what was read of it, never from a saved command."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lungseg.core.errors import UserError
from lungseg.core.shell_commands import shell_command, shell_line, shell_word
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.study_file import read_content
from lungseg.sweep.spec.untrusted_values import OF_COMMANDS, require_safe_given, require_safe_words

RETRAINED = "retrained"  # the folder of a search in which its best is trained again


def command_of(study: Study, out: Path | None) -> str:
    """Returns what begins the study, and goes on with it."""
    words: dict[str, str | Path] = {"size": study.size, **study.given, **({"out": out} if out else {})}
    return shell_command("lungseg", "sweep", study.file, plain=words)


def continuation(study: Study, came_from: Path) -> str:
    """Returns the command to type in the folder ``came_from``; paths in it hold from the working directory of now.

    A ``study.json`` may name any file and any words: a file that does not hold what the study is made of, and words
    that a stranger may have chosen, are not put into a command.
    """
    folder = study.folder
    if folder.parent.name == RETRAINED and (folder.parent.parent / "study.json").is_file():
        seeds = {"seeds": str(len(study.trials))}
        return _from(came_from, shell_command("lungseg", "sweep", "retrain", folder.parent.parent, plain=seeds))
    own = Path("studies") / f"{study.file.stem}-{study.size}"
    given = {key: value for key, value in study.given.items() if key not in OF_COMMANDS and _is_safe(study, key, value)}
    words: dict[str, str | Path] = {"size": study.size, **given, **({} if folder == own else {"out": folder})}
    left_out = [f"{key}={value}" for key, value in study.given.items() if key not in given]
    notes = [f"add what you typed yourself of: {shell_line(left_out)}"] if left_out else []
    if not _holds(study):
        notes.append(
            f"STUDY.yaml: the study's own file; {shell_word(str(study.file))}, which study.json names, is not as it was"
        )
    file = study.file if _holds(study) else Path("STUDY.yaml")
    command = _from(came_from, shell_command("lungseg", "sweep", file, plain=words))
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


def _from(came_from: Path, command: str) -> str:
    here = Path(os.getcwd())
    return command if here == came_from else f"(cd {shell_word(str(here))} && {command})"
