"""``lungseg sweep``: the trials of a study, one after another, then the page that compares them."""

import contextlib
import json
import logging
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lungseg.errors import Stopped, UserError
from lungseg.files import write_atomically
from lungseg.models.hub import require_weights
from lungseg.plan import Words
from lungseg.resume import MAY_CHANGE
from lungseg.study import Study, Trial, read_study
from lungseg.trials import Line, alone, finished, last_lines, run_trial, words_now

log = logging.getLogger("lungseg")

NO_WEIGHTS = "pretrained=true: the weights of model.encoder="  # how train.py begins where it cannot have them


def sweep(file: Path, size: str = "full", given: Words | None = None, out: Path | None = None) -> int:
    """0 where all trials are finished but those without published weights, which are named; 1 where one failed."""
    study = read_study(file, size, given, out)
    command = _command(study, given or {}, out)
    with alone(study.folder) as lock, _told_how_to_go_on(command):
        _record(study, command)
        done = {trial.name for trial in study.trials if finished(trial)}
        _announce(study, done)
        states = _run_all(study, done, lock)
        _summary(study, states)
        code = _compare(study, states)
    if failed := [name for name, state in states.items() if state == "failed"]:
        raise UserError(
            f"{len(failed)} of the trials failed, as said above: {', '.join(failed)}; to try them again: {command}"
        )
    if "finished" not in states.values():
        raise UserError(f"{study.folder}: none of the trials is finished, as said above")
    return code


def _compare(study: Study, states: dict[str, str]) -> int:
    """The page, where there are two to compare; what hinders it is said here, so that it hides no failed trial."""
    if list(states.values()).count("finished") < 2:
        log.info("no comparison: it takes two finished trials")
        return 0
    from lungseg.commands.compare import compare

    log.info("")
    try:
        return compare([study.folder], study.folder / "comparison")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _command(study: Study, given: Words, out: Path | None) -> str:
    words = [f"size={study.size}", *(f"{key}={value}" for key, value in given.items())]
    return shlex.join(["lungseg", "sweep", str(study.file), *words, *([f"out={out}"] if out else [])])


def _record(study: Study, command: str) -> None:
    """``study.json``: every trial and its command line; those of an earlier call are kept, and must be the same."""
    path = study.folder / "study.json"
    before = _earlier(path)
    trials = {trial.name: ["python", "train.py", *trial.words] for trial in study.trials}
    for trial in study.trials:
        if trial.name not in before and trial.run_dir.exists():
            raise UserError(f"{trial.run_dir}: is not of this study; move it away, or choose another out=FOLDER")
        difference = _difference(before.get(trial.name, trials[trial.name])[2:], trial.words)
        if difference:
            raise UserError(
                f"{study.folder}: was begun with another version of {study.file}: in trial {trial.name}, "
                f"{difference}; bring back the value that it had, or choose another out=FOLDER"
            )
    content = {"study": str(study.file), "size": study.size, "about": study.about, "command": command}
    commands = {name: shlex.join(words) for name, words in (before | trials).items()}
    write_atomically(path, json.dumps({**content, "trials": commands}, indent=1) + "\n")


def _earlier(path: Path) -> dict[str, list[str]]:
    """Trial -> the words of its command line, as ``study.json`` has them; none where there is no such file yet."""
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        return {name: shlex.split(command) for name, command in content["trials"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); restore it, or choose another out=FOLDER") from None


def _difference(before: Sequence[str], now: Sequence[str]) -> str | None:
    """The first key in which two command lines differ, with both values; where data lies may change."""
    old, new = (dict(word.split("=", 1) for word in words) for words in (before, now))
    for key in dict.fromkeys([*old, *new]):
        if key not in (*MAY_CHANGE, "run_dir") and old.get(key) != new.get(key):
            return f"{key} was {old.get(key, 'not set')} and is now {new.get(key, 'not set')}"
    return None


def _announce(study: Study, done: set[str]) -> None:
    log.info("%s", study.about or study.file.stem)
    already = f", {len(done)} of them finished already" if done else ""
    log.info("%d trials in %s%s; what each says: %s", len(study.trials), study.folder, already, study.folder / "logs")


def _run_all(study: Study, done: set[str], lock: int) -> dict[str, str]:
    """Trial -> finished, failed, no weights, or not started where one that it needs is not finished."""
    states = dict.fromkeys(done, "finished")
    lacking: dict[str, str] = {}  # encoder -> why its weights cannot be had
    for encoder in {trial.encoder: None for trial in study.trials if trial.name not in done and trial.encoder}:
        try:
            require_weights(encoder, None)
        except UserError as error:
            lacking[encoder] = str(error)
            log.info("trials with pretrained=true and %s are left out: %s", encoder, error)
    for number, trial in enumerate(study.trials, 1):
        if trial.name in done:
            continue
        if trial.encoder in lacking:
            states[trial.name] = "no weights"
        elif any(states[need] != "finished" for need in trial.needs):
            states[trial.name] = "not started"
        else:
            states[trial.name], reason = _run_one(trial, f"{number}/{len(study.trials)} {trial.name}", study, lock)
            if states[trial.name] == "no weights" and trial.encoder:
                lacking[trial.encoder] = reason
    return states


def _run_one(trial: Trial, head: str, study: Study, lock: int) -> tuple[str, str]:
    """How it ended, and the reason where it did not end well."""
    kept = study.folder / "logs" / f"{trial.name}.log"
    start = kept.stat().st_size if kept.exists() else 0
    words = words_now(trial)
    line = Line(head)
    try:
        code = run_trial(words, kept, lock, line.show)
    except BaseException:
        line.end("stopped")
        raise
    if code == 0:
        line.end(f"finished in {line.seconds():.0f} s")
        return "finished", ""
    said = last_lines(kept, start)
    line.end(f"failed ({f'killed by signal {-code}' if code < 0 else f'exit code {code}'}), all it said: {kept}")
    log.info("    %s", "\n    ".join(said))
    reason = said[-1].removeprefix("error: ")
    return ("no weights" if reason.startswith(NO_WEIGHTS) else "failed"), reason


def _summary(study: Study, states: dict[str, str]) -> None:
    names = {state: [trial.name for trial in study.trials if states[trial.name] == state] for state in states.values()}
    counted = ", ".join(f"{len(those)} {state}" for state, those in names.items())
    log.info("\ntrials: %s", counted)
    if missing := names.get("no weights"):
        log.info("missing for lack of weights, as said above: %s", ", ".join(missing))
    if waiting := names.get("not started"):
        log.info("not started, because one that they need is not finished: %s", ", ".join(waiting))


@contextlib.contextmanager
def _told_how_to_go_on(command: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block with the command that goes on."""

    def stop(number: int, frame: object) -> None:
        raise Stopped(f"stopped; go on by: {command}", number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
