"""A study's YAML -> its trials, each known to compose before the first one starts."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lungseg.config import compose, suggestion
from lungseg.errors import UsageError, UserError
from lungseg.models.hub import locate
from lungseg.plan import Words, as_plan, narrowed, text
from lungseg.usage import explain

KEPT_BACK = {"run_dir": "out=FOLDER says where all runs lie", "resume": "what was stopped goes on by itself"}
RESERVED = ("logs", "comparison")  # what else lies in a study's folder


@dataclass(frozen=True)
class Trial:
    """One run of a study. ``needs`` names the trials whose run directories it uses.

    ``encoder`` is the one whose published weights it starts from, None where it needs none.
    """

    name: str
    overrides: Words
    run_dir: Path
    needs: tuple[str, ...] = ()
    encoder: str | None = None

    @property
    def words(self) -> list[str]:
        """What follows ``python train.py``."""
        return [f"{key}={value}" for key, value in (self.overrides | {"run_dir": text(str(self.run_dir))}).items()]


@dataclass(frozen=True)
class Study:
    """``trials`` are in an order in which each comes after those that it needs."""

    file: Path
    size: str
    about: str
    folder: Path
    trials: list[Trial]


def read_study(file: Path, size: str = "full", given: Words | None = None, out: Path | None = None) -> Study:
    """``given`` are overrides for all trials; one that names an axis of the grid chooses among its options."""
    plan = as_plan(_content(file), size, file)
    grid, given = narrowed(plan.grid, dict(given or {}), file)
    folder = out or Path("studies") / f"{file.stem}-{size}"
    base = plan.base | given
    found: dict[str, Trial] = {}
    for options in itertools.product(*(axis.items() for axis in grid.values())):
        name = "-".join(name for name, _ in options)
        overrides = base | {key: value for _, words in options for key, value in words.items()}
        if called := _label(dict(zip(grid, (name for name, _ in options), strict=True))):
            overrides = overrides | {"label": overrides.get("label", text(called))}
        if name in found or name in plan.before or name in RESERVED:
            raise UserError(f"{file}: two things are called {name}; give the options of grid (or the step) other names")
        found[name] = _trial(name, overrides, plan.before, folder, file)
    needed = {need for trial in found.values() for need in trial.needs}
    before = [_trial(name, base | plan.before[name], {}, folder, file) for name in plan.before if name in needed]
    trials = [_composed(trial, file, size) for trial in [*before, *found.values()]]
    return Study(file, size, plan.about, folder, trials)


def _label(options: Mapping[str, str]) -> str:
    """What comparisons call a trial: its options of the axes that make it another model."""
    return " ".join(name for axis, name in options.items() if axis not in ("seed", "task"))


def _content(file: Path) -> dict[str, Any]:
    """The YAML as it is written; a key that is there twice is refused by its reader."""
    if not file.is_file():
        there = sorted(str(path) for path in file.parent.glob("*.yaml"))
        listed = f"there are {', '.join(there)}" if there else "expected a study, for example sweeps/pretraining.yaml"
        raise UsageError(f"{file}: no such file; {listed}{suggestion(str(file), there)}")
    try:
        content = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    except (OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        raise UserError(f"{file}: not readable as YAML ({' '.join(str(error).split())}); mend it there") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: is no mapping; expected a study with grid, as sweeps/pretraining.yaml is one")
    return {str(key): value for key, value in content.items()}


def _trial(name: str, overrides: Words, before: Mapping[str, Words], folder: Path, file: Path) -> Trial:
    """``<step>`` as a value becomes that step's run directory."""
    for key in (key for key in KEPT_BACK if key in overrides):
        raise UsageError(f"{key}: is the study's own business; leave it out: {KEPT_BACK[key]}")
    named = {key: match[1] for key, value in overrides.items() if (match := re.fullmatch(r'"?<([^<>]+)>"?', value))}
    for key, step in named.items():
        if step not in before:
            known = list(before)
            listed = f"there are {', '.join(known)}" if known else "there is none"
            raise UserError(f"{file}: {key}: <{step}> is no step of before; {listed}{suggestion(step, known)}")
    places = {key: text(str(folder / step)) for key, step in named.items()}
    return Trial(name, overrides | places, folder / name, tuple(dict.fromkeys(named.values())))


def _composed(trial: Trial, file: Path, size: str) -> Trial:
    """The trial with its encoder; what does not compose is refused with the trial's name and the key."""
    GlobalHydra.instance().clear()
    words = trial.words
    try:
        config = compose(words)
        missing = sorted(OmegaConf.missing_keys(config))
    except (HydraException, OmegaConfBaseException) as error:
        said = explain(error, "train", words).replace("add -m to run a grid of them", "make them an axis of grid")
        raise UserError(f"{file}: trial {trial.name}: {said}") from None
    for key in missing:
        raise UsageError(_needed(key, config, file, size))
    weights = config.model.get("weights")
    if weights is not None and not trial.needs:  # else they may be those of a step that has not run yet
        locate(weights)
    encoder = config.model.get("encoder") if config.pretrained and weights is None else None
    return Trial(trial.name, trial.overrides, trial.run_dir, trial.needs, encoder)


def _needed(key: str, config: DictConfig, file: Path, size: str) -> str:
    """What to say of a key that has no value; of the data's place, how to come by the data or do without."""
    if key != "data.root":
        return f"{key}: a value is needed; add {key}=..."
    name = config.data.name
    small = "" if size == "small" else f"; or try the study on built-in data: lungseg sweep {file} size=small"
    return (
        f"data.root: a value is needed, the folder of {name}; add data.root=FOLDER "
        f"(how to get it: lungseg data get {name} into=FOLDER){small}"
    )
