"""The rows of a study in its storage: opened, read, written one at a time, and waited for while it is away."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from lungseg.core.locks import lock_patiently
from lungseg.sweep.search.samplers import make_pruner, make_sampler
from lungseg.sweep.spec.study import Study
from lungseg.sweep.state.storage import open_storage, patiently
from lungseg.sweep.state.trial_row import TrialRow, as_row, closed, name_of

Answer = TypeVar("Answer")

LIVE = ("waiting", "running", "finished", "pruned")


class TrialStore:
    """``worker`` tells those who share a storage apart; its sampler draws otherwise than theirs."""

    def __init__(self, study: Study, worker: str = "") -> None:
        self.study = study
        sampler = make_sampler(study.settings, worker)
        storage = open_storage(study.settings.storage, study.folder)
        self.optuna = patiently(
            lambda: optuna.create_study(
                storage=storage,
                study_name=study.id,
                directions=[one.direction for one in study.objectives],
                sampler=sampler,
                pruner=make_pruner(study.settings),
                load_if_exists=True,
            )
        )
        self._id, self.storage = self.optuna._study_id, self.optuna._storage  # with Optuna's cache before it
        self._made: dict[int, tuple[FrozenTrial, TrialRow]] = {}  # by the row's id, with what it was made of
        self._guard = (
            study.folder / "locks" / "storage" if (study.settings.storage or "").startswith("sqlite") else None
        )

    def _rows(self, trials: Sequence[FrozenTrial]) -> list[TrialRow]:
        found: dict[str, TrialRow] = {}
        for one in trials:
            name = name_of(one)
            if not closed(one) and (name not in found or found[name].state not in LIVE):
                found[name] = self._as_row(one)
        return list(found.values())

    def _as_row(self, trial: FrozenTrial) -> TrialRow:
        """Made once of what no longer changes, and of what waits: the storage has another object once that changes."""
        known = self._made.get(trial._trial_id)
        if known is not None and known[0] is trial:
            return known[1]
        row = as_row(trial)
        if trial.state != TrialState.RUNNING:
            self._made[trial._trial_id] = trial, row
        return row

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """SQLite lets two take, or close, the same row; what it serves is one machine, on which a lock holds."""
        if self._guard is None:
            yield
            return
        self._guard.parent.mkdir(parents=True, exist_ok=True)
        with self._guard.open("a") as file:
            lock_patiently(file.fileno())
            yield

    def note(self, row: TrialRow, **attrs: Any) -> None:
        for key, value in attrs.items():
            self._call(partial(self.storage.set_trial_user_attr, row.trial_id, key, value))

    def noted(self, row: TrialRow) -> Mapping[str, Any]:
        return dict(self._trial(row).user_attrs)

    def _trial(self, row: TrialRow) -> FrozenTrial:
        return self._call(lambda: self.storage.get_trial(row.trial_id))

    def _enqueue(self, name: str) -> None:
        template = create_trial(state=TrialState.WAITING, user_attrs={"name": name})
        self._call(lambda: self.storage.create_new_trial(self._id, template_trial=template))

    def _again(self, old: FrozenTrial, attempt: int, attrs: Mapping[str, Any]) -> None:
        kept = {key: value for key, value in old.user_attrs.items() if key not in ("worker", "ended")}
        template = create_trial(
            state=TrialState.WAITING,
            params=old.params,
            distributions=old.distributions,
            user_attrs={**kept, **attrs, "name": name_of(old), "attempt": attempt},
            system_attrs=old.system_attrs,
            intermediate_values=old.intermediate_values,
        )
        self._call(lambda: self.storage.create_new_trial(self._id, template_trial=template))

    def _row(self, trial_id: int) -> TrialRow:
        return as_row(self._call(lambda: self.storage.get_trial(trial_id)))

    def _trials(self) -> list[FrozenTrial]:
        return self._call(lambda: self.storage.get_all_trials(self._id, deepcopy=False))

    def _call(self, action: Callable[[], Answer]) -> Answer:
        return patiently(action)
