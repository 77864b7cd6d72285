"""Takes further runs into an ensemble, where they are honest on the cases that are judged."""

from dataclasses import dataclass

from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import UserError
from lungseg.core.file_hashes import require_as_written
from lungseg.core.plural import plural
from lungseg.core.run_directory import Run
from lungseg.data.contamination import seen_images
from lungseg.evaluation.case_selection import Selection
from lungseg.inference.load_run import rebuild
from lungseg.inference.predictor import predictor_of
from lungseg.inference.whole_image import Predictor
from lungseg.tasks.regions import regions_of


@dataclass(frozen=True)
class Other:
    """A further run of an ensemble."""

    run: Run
    predict: Predictor


def member_of(run: Run, first: TrainConfig, selection: Selection, tta: str) -> Predictor:
    """Another run of an ensemble: of the ``first`` one's regions, and honest on the cases of the ``selection``."""
    cfg = run.config()
    require_as_written(run.path)
    if (cfg.task.target, regions_of(cfg.task.options)) != (first.task.target, regions_of(first.task.options)):
        raise UserError(
            f"run: {run.path} is of task={cfg.task.name}, the first run of task={first.task.name}; an ensemble is of "
            "runs of one task"
        )
    seen = seen_images(run.splits_file)
    if learnt := seen.trained_on(selection.cases) if selection.is_val else seen.among(selection.cases):
        raise UserError(
            f"run: {run.path} was trained or selected on {len(learnt)} of the "
            f"{plural(len(selection.cases), 'case that is', 'cases that are')} judged (first {learnt[0].id}); "
            "an ensemble is of runs with the same test cases: of other seeds, or of folds beside a published test"
        )
    trained = rebuild(run, cfg.running_on(first.trainer, first.data.loader.batch_size))
    return predictor_of(trained, [*selection.cases, *selection.val], tta)
