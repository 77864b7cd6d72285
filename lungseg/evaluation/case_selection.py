"""Which cases a run is judged on: its own test or validation, or others that it was not trained on."""

import logging
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from lungseg.core.config.compose import changed
from lungseg.core.errors import UserError
from lungseg.core.manifest import data_fingerprint
from lungseg.core.run_directory import Run
from lungseg.core.security.saved_config import tell_paths
from lungseg.data.build import LOADING, PREPROCESSING, SPLITTING, build_cases
from lungseg.data.case import Case, fingerprint
from lungseg.data.contamination import seen_images, without_seen
from lungseg.data.saved_splits import load_splits
from lungseg.data.splits import require_regions
from lungseg.tasks.regions import regions_of

log = logging.getLogger("lungseg")

KEPT = (*PREPROCESSING, *SPLITTING, *LOADING)  # what is the run's own, whatever data it is judged on


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


def judged_config(cfg: DictConfig, options: DictConfig) -> DictConfig:
    """Returns the run's config with the data that is judged, seen as the run sees its own."""
    if options.data is None:
        return cfg
    kept = {key: cfg.data[key] for key in KEPT if key in cfg.data}
    base = {} if "_target_" in options.data else dict(cfg.data)
    given = OmegaConf.create({"task": cfg.task, "data": options.data}).data  # a source may ask what is needed
    return changed(cfg, {"data": {**base, **given, **kept}})


def select(run: Run, cfg: DictConfig, options: DictConfig) -> Selection:
    """Chooses by ``options.split`` among the cases of ``cfg.data``, which may be other data than the run's."""
    split = options.split
    if split not in (None, "test", "val", "all"):
        why = "a score on training images says nothing of new patients; " if split == "train" else ""
        raise UserError(f"split={split}: {why}expected test, val or all")
    if options.data is None or "root" not in options.data:
        tell_paths(cfg, ["data.root"], run.config_file)
    cases = build_cases(cfg.data)
    found = fingerprint(cases)
    if found == data_fingerprint(run.manifest(), run.manifest_file):
        if split == "all":
            raise UserError("split=all: this is the data that the run was trained on; expected test or val")
        split = split or "test"
        splits = load_splits(cases, run.splits_file)
        chosen, name, val = splits[split], cfg.data.name, splits["val"]
    else:
        chosen = _unseen(run, [case for case in cases if split in (None, "all") or case.split == split])
        if not chosen:
            raise UserError(f"data={cfg.data.name}: no case to judge with split={split}; use split=all or other data")
        split, name, val = split or "all", f"{cfg.data.name}-{found[:6]}", []
    require_regions({split: chosen}, regions_of(cfg.task).names)
    return Selection(chosen, split, f"{name}-{split}", val)


def _unseen(run: Run, cases: list[Case]) -> list[Case]:
    """Without the images that the run was trained or selected on; those that may be such are told."""
    unseen, told = without_seen(cases, seen_images(run.splits_file))
    for sentence in told:
        log.info("%s", sentence)
    return unseen
