"""A row of the storage, as a study sees it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lungseg.core.errors import UserError
from lungseg.core.security.safe_yaml import shown

NEVER = ("surplus", "taken out")  # ends of rows that count for nothing
ENDED = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class TrialRow:
    """Of a trial, its newest."""

    number: int
    name: str
    state: str  # waiting, running, finished, pruned, failed, no weights, not started
    worker: str | None
    attempt: int
    reason: str  # why it ended so
    again: str  # why it was given back before
    values: list[float] | None
    params: dict[str, Any]
    curve: list[tuple[int, float]]
    began: datetime | None
    ended: datetime | None
    trial_id: int


def name_of(trial: FrozenTrial) -> str:
    """That of a search's trial is in its first row's number, so that no row is ever without one."""
    return str(trial.user_attrs.get("name", f"trial-{trial.number:04d}"))


def closed(trial: FrozenTrial) -> bool:
    """A row that was given back, or never counted."""
    ended = trial.user_attrs.get("ended")
    if ended is not None and not (isinstance(ended, list) and [type(one) for one in ended] == [str, str]):
        raise _unwritten(trial, f"ended is {shown(ended)}")
    return trial.state == TrialState.FAIL and (ended is None or ended[0] in NEVER)


def as_row(trial: FrozenTrial) -> TrialRow:
    """Returns a trial of the storage as a study sees it; one that no sweep can have written is refused."""
    try:
        return _as_row(trial)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _unwritten(trial, str(error)) from None


def words_of(trial: FrozenTrial) -> dict[str, str] | None:
    """Returns what a search has chosen for a trial, None where it has not yet."""
    words = trial.user_attrs.get("words")
    if words is not None and not (isinstance(words, dict) and all(isinstance(word, str) for word in words.values())):
        raise _unwritten(trial, f"words is {shown(words)}")
    return words


def _unwritten(trial: FrozenTrial, why: str) -> UserError:
    return UserError(
        f"the study's storage holds trial {trial.number}, which no sweep has written ({why}); restore it, or "
        "begin the study anew with another out=FOLDER"
    )


def _as_row(trial: FrozenTrial) -> TrialRow:
    attrs = trial.user_attrs
    state, reason = ENDED.get(trial.state, trial.state.name.lower()), ""
    if "ended" in attrs and trial.state == TrialState.FAIL:
        state, reason = attrs["ended"]
    worker, values = attrs.get("worker"), trial.values
    if not isinstance(worker, str | None) or not all(isinstance(one, int | float) for one in values or ()):
        raise ValueError(f"worker is {shown(worker)}, values are {shown(values)}")
    for when in (trial.datetime_start, trial.datetime_complete):
        if when is not None and not 2000 <= when.year <= 2200:
            raise ValueError(f"a time is {when}")
    return TrialRow(
        trial.number,
        name_of(trial),
        state,
        attrs.get("worker"),
        int(attrs.get("attempt", 0)),
        reason,
        str(attrs.get("again", "")),
        list(trial.values) if trial.state == TrialState.COMPLETE and trial.values else None,
        dict(trial.params),
        row_curve(trial),
        trial.datetime_start,
        trial.datetime_complete,
        trial._trial_id,
    )


def row_curve(trial: FrozenTrial) -> list[tuple[int, float]]:
    return sorted(trial.intermediate_values.items())
