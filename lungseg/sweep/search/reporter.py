"""What a run is told of the search that it belongs to, and how it reports there and learns that it is to give up."""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPORT = "LUNGSEG_REPORT"  # set by a sweep for its trials

log = logging.getLogger("lungseg")


@dataclass(frozen=True)
class Reporter:
    """``monitor``: what is reported. Steps of several parts of a trial (seeds, folds) follow one another."""

    trial: Any  # optuna.Trial
    storage: Any
    monitor: str
    first: int

    def hopeless(self, epoch: int, value: float) -> bool:
        """Report, and ask whether to give up; while the storage is away neither, and the run goes on."""
        from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
        from sqlalchemy.exc import SQLAlchemyError

        step = self.first + epoch
        try:
            self.storage.set_trial_intermediate_value(self.trial._trial_id, step, value)
            self.trial._cached_frozen_trial = self.storage.get_trial(self.trial._trial_id)
            return bool(self.trial.should_prune())
        except UpdateFinishedTrialError:
            log.info("this trial was given to another worker meanwhile")
            return True
        except (StorageInternalError, SQLAlchemyError, OSError) as error:
            log.info("epoch %d could not be reported to the study (%s)", epoch, error)
            return False


def reporter(epochs: int) -> Reporter | None:
    """None for a run that belongs to no search; ``epochs`` of each part."""
    told = os.environ.get(REPORT)
    if not told:
        return None
    import optuna

    from lungseg.sweep.search.samplers import make_pruner
    from lungseg.sweep.spec.settings import Settings
    from lungseg.sweep.state.storage import open_storage, patiently

    about = json.loads(told)
    folder = Path(about["folder"])
    storage = patiently(lambda: open_storage(about["storage"], folder))
    study = patiently(
        lambda: optuna.load_study(
            study_name=about["study"], storage=storage, pruner=make_pruner(Settings(pruner=about["pruner"]))
        )
    )
    return Reporter(optuna.Trial(study, about["trial"]), study._storage, about["monitor"], about["part"] * epochs)
