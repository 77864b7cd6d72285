"""What a search has found: its best as an experiment, trained again with other seeds, and the data of its figures."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from lungseg.core.programs import program
from lungseg.core.search_file import SavedRetraining
from lungseg.core.shell_commands import shell_command
from lungseg.evaluation.summary import read_summary
from lungseg.sweep.run.coordinator import lead
from lungseg.sweep.run.exit_status import values_of
from lungseg.sweep.run.trial_process import alone, finished
from lungseg.sweep.search.results import front, plain_words, write_experiment, write_search
from lungseg.sweep.spec.settings import OF_SEARCH, Settings
from lungseg.sweep.spec.study import Study
from lungseg.sweep.spec.study_file import Reading, as_study
from lungseg.sweep.state.study_record import record, recorded
from lungseg.sweep.state.trial_queue import TrialQueue
from lungseg.sweep.state.trial_row import TrialRow

log = logging.getLogger("lungseg")

NEW_SEEDS = 1000  # seeds from here on were never part of a search


def found(study: Study, again: int | None = None) -> tuple[Path, list[Path]]:
    """Tell the best, write it as an experiment, train it ``again`` with so many seeds, and write ``search.json``.

    Its path, and the runs that may be compared by test cases: the best, or its retraining in its place. Among all
    trials of a search the best on test cases would be chosen by them.
    """
    queue = TrialQueue(study, "best")
    steps = study.steps
    rows = [row for row in queue.rows() if row.name not in steps]
    best = front([row for row in rows if row.values], study.objectives)
    seeds = study.settings.retrain if again is None else again
    path = study.folder
    retrained = None
    if best:
        words = {**study.base, **(queue.words(best[0]) or {})}
        said = _said(study, best[0])
        path = write_experiment(study.folder, "best", words, f"{said}, the best of {_counted(rows)} of {study.file}")
        if len(study.objectives) == 2:
            names = " and ".join(one.name for one in study.objectives)
            log.info("\nfront     %s: none is better in both %s", ", ".join(row.name for row in best), names)
        by = f" by {study.objectives[0].name}" if len(study.objectives) == 2 else ""
        log.info("%sbest%s      %s: %s", "" if by else "\n", by, best[0].name, said)
        log.info("train it  %s", shell_command(*program("train"), "--config-dir", path.parents[1],
                                          settings={"experiment": "best"}))  # fmt: skip
        retrained = _retrained(study, best[0], words, seeds) if seeds else None
    command = shell_command("lungseg", "sweep", "retrain", study.folder, plain={"seeds": "3"}) if best else None
    written = write_search(study, queue, rows, retrained or _earlier(study, best), command)
    repeated = [folder] if (folder := _folder(study, best)).is_dir() else []
    shown = best[1:] if repeated else best  # a test between a run and its own repetition would compare luck with luck
    return written, [*(part.run_dir for row in shown for part in study.trial(row.name, None).parts), *repeated]


def _retrained(study: Study, best: TrialRow, words: dict[str, str], seeds: int) -> SavedRetraining | None:
    kept = {key: value for key, value in study.settings.model_dump().items() if key not in OF_SEARCH}
    content = {
        "about": f"{best.name}, the best of {study.folder}, with {seeds} new seeds",
        "base": {**plain_words(words), "label": f"{best.name} retrained"},
        "grid": {"seed": [NEW_SEEDS + n for n in range(seeds)]},
        **{key: value for key, value in kept.items() if value != Settings().model_dump()[key]},
    }
    again = as_study(content, study.file, "full", {}, _folder(study, [best]), Reading(study.typed, composed=True))
    log.info("")
    with alone(again.folder):
        command = shell_command("lungseg", "sweep", "retrain", study.folder, plain={"seeds": str(seeds)})
        again = record(again, command)
        lead(again, command)
    return _scores(study, best, again)


def _scores(study: Study, best: TrialRow, again: Study) -> SavedRetraining | None:
    """What the objective came to in the retrained runs, and the same score on the test cases."""
    runs = [trial.parts[0] for trial in again.trials if finished(trial.parts[0].run_dir)]
    if not runs:
        return None
    return SavedRetraining(
        of=best.number,
        found=(best.values or [math.nan])[0],
        values=[values_of(run.run_dir, study.objectives)[0] for run in runs],
        test=[_on_test(run.run_dir, study.objectives[0].name) for run in runs],
        seeds=[int(run.overrides["seed"]) for run in runs],
    )


def _on_test(run_dir: Path, name: str) -> float | None:
    """The objective's namesake on the run's own test, a mean over its regions; None where it has none."""
    for path in sorted((run_dir / "evaluation").glob("*-test/summary.json")):
        results = read_summary(path)["results"].get("model", {})
        values = [value for region, scores in results.items() for metric, value in scores.items()
                  if name in (f"val/{metric}", f"val/{region}/{metric}")]  # fmt: skip
        return mean(values) if values and all(isinstance(value, int | float) for value in values) else None
    return None


def _folder(study: Study, best: Sequence[TrialRow]) -> Path:
    """Where the best is trained again."""
    return study.folder / "retrained" / (best[0].name if best else "nothing")


def _earlier(study: Study, best: Sequence[TrialRow]) -> SavedRetraining | None:
    """What an earlier retraining of the same best came to."""
    if not best:
        return None
    folder = _folder(study, best)
    return _scores(study, best[0], recorded(folder)[0]) if (folder / "study.json").is_file() else None


def _counted(rows: Sequence[TrialRow]) -> int:
    return sum(row.values is not None or row.state == "pruned" for row in rows)


def _said(study: Study, row: TrialRow) -> str:
    return ", ".join(f"{one.name} {value:.4f}" for one, value in zip(study.objectives, row.values or [], strict=True))
