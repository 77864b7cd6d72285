"""Which cases a run is judged on: its own test or validation, or others that it was not trained on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lungseg.core.config.compose import with_task
from lungseg.core.config.data_config import KEPT, source_of
from lungseg.core.config.evaluate_config import EvaluateConfig
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.errors import UsageError, UserError
from lungseg.core.manifest import data_fingerprint
from lungseg.core.run_directory import Run
from lungseg.core.security.saved_config import tell_paths
from lungseg.data.build import build_cases
from lungseg.data.case import Case, fingerprint
from lungseg.data.contamination import seen_images, without_seen
from lungseg.data.saved_splits import load_splits
from lungseg.data.splits import require_regions
from lungseg.tasks.regions import regions_of

log = logging.getLogger("lungseg")


@dataclass(frozen=True)
class Selection:
    """``name`` tells this data apart from every other that the run may be judged on."""

    cases: list[Case]
    split: str
    name: str
    val: list[Case]  # of the run's own data, to choose thresholds by; empty where other data is judged

    @property
    def is_val(self) -> bool:
        """The run's own validation is judged: what was chosen by it flatters."""
        return self.split == "val" and bool(self.val)


def require_own_preprocessing(words: Sequence[str]) -> None:
    """Refuses words that would judge a run otherwise than it was trained."""
    for key in [word.lstrip("+").partition("=")[0] for word in words]:
        if key.startswith("data.") and key.removeprefix("data.") in KEPT:
            raise UsageError(f"{key}: a run is judged with the preprocessing that it was trained with; leave it out")


def judged_config(cfg: TrainConfig, options: EvaluateConfig) -> TrainConfig:
    """Returns the run's config with the data that is judged, seen as the run sees its own."""
    if options.data is None:
        return cfg
    given = with_task(options.data, cfg.task.to_dict())  # a source may ask what is needed
    base = {} if "_target_" in given else cfg.data.to_dict()
    return replace(cfg, data=replace(cfg.data, source=source_of({**base, **given})))


def select(run: Run, cfg: TrainConfig, options: EvaluateConfig) -> Selection:
    """Chooses by ``options.split`` among the cases of ``cfg.data``, which may be other data than the run's."""
    split = options.split
    if options.data is None or "root" not in options.data:
        tell_paths({"data.root": cfg.data.source.root}, run.config_file)
    cases, name = build_cases(cfg.data.source), cfg.data.source.name
    found = fingerprint(cases)
    if found == data_fingerprint(run.manifest(), run.manifest_file):
        if split == "all":
            raise UserError("split=all: this is the data that the run was trained on; expected test or val")
        split = split or "test"
        splits = load_splits(cases, run.splits_file)
        chosen, val = splits[split], splits["val"]
    else:
        chosen = _unseen(run, [case for case in cases if split in (None, "all") or case.split == split])
        if not chosen:
            raise UserError(
                f"data={cfg.data.source.name}: no case to judge with split={split}; use split=all or other data"
            )
        split, name, val = split or "all", f"{name}-{found[:6]}", []
    require_regions({split: chosen}, regions_of(cfg.task.options).names)
    return Selection(chosen, split, f"{name}-{split}", val)


def _unseen(run: Run, cases: list[Case]) -> list[Case]:
    """Without the images that the run was trained or selected on; those that may be such are told."""
    unseen, told = without_seen(cases, seen_images(run.splits_file))
    for sentence in told:
        log.info("%s", sentence)
    return unseen
