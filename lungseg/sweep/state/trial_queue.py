"""The state of a study in its storage: which trials wait, who runs which, how each ended.

A trial of the study is one or more rows of the storage. A row that was given back (its worker died or was stopped)
is closed for good and another of the same name takes its place. Closing succeeds for one process only, so nothing is
given back twice; of several rows of a name that are not closed only the first runs.
"""

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.settings import Budget
from lungseg.sweep.spec.study import Study
from lungseg.sweep.state.trial_row import NEVER, TrialRow, closed, name_of, row_curve, words_of
from lungseg.sweep.state.trial_store import LIVE, TrialStore

SETTLED = 10.0  # seconds after which a row that was closed should have its successor


class TrialQueue(TrialStore):
    """Who may run what, on the rows of a study."""

    def __init__(self, study: Study, worker: str = "") -> None:
        super().__init__(study, worker)
        self._needs = {trial.name: trial.needs for trial in study.trials}

    def rows(self) -> list[TrialRow]:
        """One for each trial, in the order in which they were made."""
        return self._rows(self._trials())

    def fill(self, names: Sequence[str], again: Sequence[str]) -> None:
        """``names`` wait now, if they do not run and did not end; those of ``again`` even if they failed before.

        What waits and is not among ``names`` is taken out. Of a search whatever failed waits again as it was chosen.
        """
        trials = self._trials()
        there, wanted, repeated = {row.name: row for row in self._rows(trials)}, set(names), set(again)
        if self.study.space is not None:
            lost = {row.trial_id for row in there.values() if row.state not in LIVE and row.name not in wanted}
            for one in trials:
                if one._trial_id in lost:
                    self._again(one, 0, {"again": ""})
        for row in there.values():
            if row.state == "waiting" and row.name not in wanted and self.study.space is None:
                self.end(row, "taken out")
        for name in names:
            if name not in there or (name in repeated and there[name].state not in LIVE):
                self._enqueue(name)

    def claim(self, worker: str) -> TrialRow | None:
        """A trial that this worker runs from now on; None where there is nothing to start now."""
        trials = self._trials()
        rows = self._rows(trials)
        states = {row.name: row.state for row in rows}
        ready = [row for row in rows if row.state == "waiting" and self._ready(row.name, states)]
        for row in _first_then_any(ready):
            if self._take(row, worker, trials):
                return self._row(row.trial_id)
        before = self._needs
        sought = sum(row.name not in before for row in rows)
        if self.study.space is None or not has_room(self.study.settings.budget, sought, trials):
            return None
        if any(states.get(name) != "finished" for name in before):
            return None
        return self._sought(worker, len(before))

    def over(self) -> bool:
        """Nothing runs or waits, and nothing more is to be sought."""
        trials = self._trials()
        rows = self._rows(trials)
        if any(row.state in ("waiting", "running") for row in rows):
            return False
        sought = sum(row.name not in self._needs for row in rows)
        failed = any(row.name in self._needs and row.state != "finished" for row in rows)
        return self.study.space is None or failed or not has_room(self.study.settings.budget, sought, trials)

    def end(self, row: TrialRow, state: str, values: Sequence[float] | None = None, reason: str = "") -> bool:
        """False where the row is no longer this worker's to end."""
        with self._one_at_a_time():
            return self._end(row, state, values, reason)

    def _end(self, row: TrialRow, state: str, values: Sequence[float] | None, reason: str) -> bool:
        ends = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        with contextlib.suppress(UpdateFinishedTrialError, RuntimeError):
            if reason or state not in ends:
                self._call(lambda: self.storage.set_trial_user_attr(row.trial_id, "ended", [state, reason]))
            if state == "pruned":
                last = row_curve(self._call(lambda: self.storage.get_trial(row.trial_id)))
                values = [last[-1][1]] if last else None
            self._call(
                lambda: self.storage.set_trial_state_values(row.trial_id, ends.get(state, TrialState.FAIL), values)
            )
            return True
        return False

    def give_back(self, row: TrialRow, why: str, attempt: int | None = None, **attrs: Any) -> bool:
        """The trial waits again, with all that is known of it; False where somebody else closed it first."""
        old = self._call(lambda: self.storage.get_trial(row.trial_id))
        try:
            with self._one_at_a_time():
                self._call(lambda: self.storage.set_trial_state_values(row.trial_id, TrialState.FAIL))
        except (UpdateFinishedTrialError, RuntimeError):
            return False
        self._again(old, row.attempt + 1 if attempt is None else attempt, {**attrs, "again": why})
        return True

    def find_lost(self) -> None:
        """A row that was closed by somebody who died before its successor was made gets one now."""
        trials = self._trials()
        lost = [one for one in trials if closed(one) and "ended" not in one.user_attrs]
        there = {row.name for row in self._rows(trials)} if lost else set()
        for name, one in {name_of(one): one for one in lost}.items():  # of each name the last
            ago = (datetime.now() - one.datetime_complete).total_seconds() if one.datetime_complete else 0
            if name not in there and ago > SETTLED:
                self._again(one, int(one.user_attrs.get("attempt", 0)) + 1, {"again": "who gave it back is gone"})

    def words(self, row: TrialRow) -> Overrides | None:
        """What the search has chosen for a trial; None for one that a search did not make."""
        space = self.study.space
        if space is None or row.name in {trial.name for trial in self.study.trials}:
            return None
        words = words_of(self._trial(row))
        if words is None:  # its first worker died at once
            self._suggest(row.trial_id)
            words = words_of(self._trial(row))
        return words

    def _suggest(self, trial_id: int) -> None:
        space = self.study.space
        assert space is not None
        self.optuna._thread_local.cached_all_trials = None
        trial = optuna.Trial(self.optuna, trial_id)
        words = self._call(lambda: space.suggest(trial))
        self._call(lambda: self.storage.set_trial_user_attr(trial_id, "words", words))

    def _ready(self, name: str, states: Mapping[str, str]) -> bool:
        return all(states.get(need) == "finished" for need in self._needs.get(name, ()))

    def _take(self, row: TrialRow, worker: str, trials: Sequence[FrozenTrial]) -> bool:
        """``trials``: in which the row was found, and so all that were made before it."""
        try:
            with self._one_at_a_time():
                if not self._call(lambda: self.storage.set_trial_state_values(row.trial_id, TrialState.RUNNING)):
                    return False
        except (UpdateFinishedTrialError, RuntimeError):
            return False
        self.note(row, worker=worker)
        older = [one._trial_id for one in trials if one.number < row.number and name_of(one) == row.name]
        now = [self._call(partial(self.storage.get_trial, one)).state for one in older]
        if any(state in (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED) for state in now):
            self.end(row, "surplus")
            return False
        return True

    def _sought(self, worker: str, before: int) -> TrialRow | None:
        """A new trial of the search; one too many, where several workers made their last at once, is closed again."""
        template = create_trial(state=TrialState.RUNNING, user_attrs={"worker": worker})
        trial_id = self._call(lambda: self.storage.create_new_trial(self._id, template_trial=template))
        number = self._call(lambda: self.storage.get_trial(trial_id)).number
        others = [
            one for one in self._trials() if one.number < number and one.user_attrs.get("ended", [""])[0] not in NEVER
        ]
        earlier = {name_of(one) for one in others}
        budget = self.study.settings.budget.trials
        if budget is not None and len(earlier) - before >= budget:
            self.end(self._row(trial_id), "surplus")
            return None
        self._suggest(trial_id)
        return self._row(trial_id)


def has_room(budget: Budget, sought: int, trials: Sequence[FrozenTrial]) -> bool:
    """For another trial of a search; its hours count from the first of ``trials`` that began."""
    began = [one.datetime_start for one in trials if one.datetime_start]
    if budget.hours is not None and began and (datetime.now() - min(began)).total_seconds() > 3600 * budget.hours:
        return False
    return budget.trials is None or sought < budget.trials


def _first_then_any(rows: list[TrialRow]) -> Iterator[TrialRow]:
    """Where the first was taken by somebody else, many seek at once; in order they would fail at one after another."""
    yield from rows[:1]
    yield from random.sample(rows[1:], max(len(rows) - 1, 0))
