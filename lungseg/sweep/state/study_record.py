"""Records a study in its folder, for its reader, for a later call, and for those who join."""

import logging
import os
import shlex
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lungseg.core.atomic_io import write_atomically
from lungseg.core.errors import UserError
from lungseg.core.programs import program
from lungseg.core.run_directory import Run
from lungseg.core.security.links import require_no_links_out
from lungseg.core.security.safe_json import read_plain_file
from lungseg.sweep.run.trial_process import finished
from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.study_file import Reading, as_study
from lungseg.sweep.spec.untrusted_values import require_safe_storage
from lungseg.sweep.state.continue_command import continuation
from lungseg.sweep.state.storage import without_password
from lungseg.sweep.state.study_json import FILE, StudyJson, read_study_json, write_study_json
from lungseg.training.resume import MAY_CHANGE

log = logging.getLogger("lungseg")

ANEW = "restore it, or begin the study anew"
ELSEWHERE = "restore it, or choose another out=FOLDER"
BESIDE_RUNS = 2  # levels: the study's own files and the logs; a run is looked through when it is gone on with
STOP = "stop"  # a file that asks all workers to stop


def record(study: Study, command: str) -> Study:
    """The study with its id. Trials of an earlier call are kept, and must be the same."""
    path = study.folder / FILE
    require_no_links_out(study.folder, BESIDE_RUNS)
    before, known = _earlier(path)
    trials = {trial.name: [*program("train"), *trial.parts[0].words] for trial in study.trials}
    _require_same_search(path, study)
    for trial in study.trials:
        if trial.name not in before and trial.parts[0].run_dir.exists():
            raise UserError(
                f"{trial.parts[0].run_dir}: is not of this study; move it away, or choose another out=FOLDER"
            )
        difference = _difference(before.get(trial.name, trials[trial.name])[2:], trial.parts[0].words)
        run = Run(trial.parts[0].run_dir)
        if difference and (run.last.exists() or finished(run.path)):  # else there is nothing that it would not fit
            raise UserError(
                f"{study.folder}: was begun with other settings: in trial {trial.name}, {difference}; bring back the "
                "value that it had, or choose another out=FOLDER"
            )
    id = known or f"{study.folder.name}-{uuid.uuid4().hex[:8]}"
    content = StudyJson(
        id=id, folder=str(study.folder), study=str(study.file), size=study.size, about=study.about, command=command,
        directory=os.getcwd(), given=study.given, content=study.content,
        trials={name: shlex.join(words) for name, words in (before | trials).items()},
    )  # fmt: skip
    write_study_json(path, content)
    return replace(study, id=id)


def recorded(folder: Path, typed: Overrides | None = None, more: Overrides | None = None) -> tuple[Study, str]:
    """Returns the study that works in ``folder``, and the command that goes on with it; paths hold from its beginning.

    The command is made here: the one that the file holds may be anybody's. ``typed``: words that the user, or the
    leader that sent this process, said itself, so that they need no check. ``more``: further ones. None of both: the
    study is only looked at, and nothing of it may be run.
    """
    path, came_from = folder / FILE, Path.cwd()
    require_no_links_out(folder, BESIDE_RUNS)
    try:
        content = read_study_json(path, ANEW)
        if not os.path.samefile(Path(content.directory) / content.folder, folder):
            raise UserError(f"{path}: the study was begun in {content.directory} as {content.folder}; move it back")
        work_in(Path(content.directory))
        where, size, given = Path(content.folder), content.size, content.given
        said = {key for key, value in (typed or {}).items() if given.get(key) == value} | set(more or {})
        reading = Reading(None if typed is None and more is None else frozenset(said))
        study = as_study(content.content, Path(content.study), size, {**given, **(more or {})}, where, reading)
        if study.settings.storage is not None and "storage" not in said:
            require_safe_storage(study.settings.storage, f"{path}: ", str(content.id))
            log.info("storage=%s is opened, as %s says", without_password(study.settings.storage), path)
        return replace(study, about=content.about, id=content.id or study.id), continuation(study, came_from)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected the folder of a study that lungseg sweep has begun") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {ANEW}") from None


def work_in(directory: Path) -> None:
    """Goes to the folder that relative paths of a study hold from; nothing that lies there configures this program.

    Python would import from an empty entry of PYTHONPATH, Matplotlib and W&B would read settings of theirs.
    """
    came_from = Path.cwd()
    if came_from == directory.resolve():
        return
    if paths := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join(str(came_from / path) for path in paths.split(os.pathsep))
    os.environ.setdefault("WANDB_DIR", str(came_from))
    if "MATPLOTLIBRC" not in os.environ and (directory / "matplotlibrc").exists():
        raise UserError(f"{directory / 'matplotlibrc'}: would configure Matplotlib here; set MATPLOTLIBRC to yours")
    os.chdir(directory)


def ask_to_stop(folder: Path, level: str) -> None:
    """All workers, on whatever machine."""
    write_atomically(folder / STOP, level + "\n")


def asked_to_stop(folder: Path) -> str | None:
    try:
        level = read_plain_file(folder / STOP, 100).decode().strip()
    except (OSError, ValueError):
        return None
    return level if level in ("soon", "now", "kill") else None


def _earlier(path: Path) -> tuple[dict[str, list[str]], str | None]:
    """Trial -> the words of its command line, and the study's id; none where there is no such file yet."""
    if not path.is_file():
        return {}, None
    content = read_study_json(path, ELSEWHERE)
    try:
        return {name: shlex.split(command) for name, command in content.trials.items()}, content.id
    except ValueError as error:
        raise UserError(f"{path}: cannot be read ({error}); {ELSEWHERE}") from None


def _require_same_search(path: Path, study: Study) -> None:
    """Trials of different spaces, bases or objectives cannot be told apart afterwards."""
    if study.space is None or not path.is_file():
        return
    before = read_study_json(path, ELSEWHERE)
    try:
        old = as_study(before.content, study.file, before.size, before.given, study.folder, Reading(None))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: is no study as lungseg sweep writes it ({error!a:.80}); {ELSEWHERE}") from None
    for name, then, now in (
        ("search", old.space and old.space.parameters, study.space.parameters),
        ("base", _fixed(old), _fixed(study)),
        ("objective", old.objectives, study.objectives),
        ("seeds", old.settings.seeds, study.settings.seeds),
        ("folds", old.settings.folds, study.settings.folds),
    ):
        if then != now:
            raise UserError(
                f"{study.folder}: was begun with another {name}; bring back what it was, or choose another out=FOLDER"
            )


def _fixed(study: Study) -> dict[str, str]:
    return {key: value for key, value in study.base.items() if key not in MAY_CHANGE}


def _difference(before: Sequence[str], now: Sequence[str]) -> str | None:
    """The first key in which two command lines differ, with both values; where data lies may change."""
    old, new = (dict(word.split("=", 1) for word in words) for words in (before, now))
    for key in dict.fromkeys([*old, *new]):
        if key not in (*MAY_CHANGE, "run_dir") and old.get(key) != new.get(key):
            return f"{key} was {old.get(key, 'not set')} and is now {new.get(key, 'not set')}"
    return None
