"""The typed top-level keys, and what the groups of conf/ hold. Nothing heavy is imported here."""

import contextlib
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from lungseg.core.config.group_options import require_options_of_groups
from lungseg.core.programs import ROOT, program

PACKAGE = ROOT / "lungseg"  # which holds conf/ and sweeps/ where it is installed
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else ROOT / "conf"


@dataclass
class TrainKeys:
    """Declares the top-level keys of train.py to Hydra. A group's own keys are in its YAML."""

    task: Any = MISSING
    data: Any = MISSING
    model: Any = MISSING
    loss: Any = MISSING
    optim: Any = MISSING
    schedule: Any = MISSING
    augment: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = MISSING
    logger: Any = MISSING
    pretrained: bool = False  # the encoder starts from published weights
    freeze_encoder: bool = False  # the encoder, its batch norms too, stays as it is
    seed: int = 0
    monitor: str = "val/dice"  # picks the best weights
    ema: float | None = None  # decay of a running average of the weights, e.g. 0.999
    patience: int | None = None  # stop after so many epochs without a better monitor
    resume: str | None = None  # go on with this run directory
    label: str | None = None  # what comparisons call this run, and all that differ by their seed alone
    run_dir: str | None = None  # default: runs/<time>-<task>-<model>-<arm>
    trust: Any = None  # modules of your own code that a config which is read back may name
    traceback: bool = False  # show where in the code an error arose


@dataclass
class EvaluateKeys:
    """Declares the top-level keys of evaluate.py to Hydra."""

    run: Any = MISSING  # one, or several as [a,b,c]: an ensemble
    data: Any = None
    split: str | None = None  # default: test, or all cases of another data set
    threshold: float = 0.5
    tta: str = "none"
    ask: Any = None  # what is to be found out besides: all, or some of tta, frame, gate, uncertainty
    gate: str | None = None  # a run of task=lung that infection is kept within (ask=gate)
    weight: str = "images"  # images: the mean over all images; patients: over the patients' own means
    legacy: bool = False  # also the definitions that flatter
    save: Any = None  # masks: write what is predicted, in the space of each input
    tolerances: Any = field(default_factory=lambda: [1.0, 2.0, 4.0])  # of surface Dice, in mm if known, else pixels
    batch_size: int | None = None  # default: the run's
    accelerator: str = "auto"
    out: str | None = None  # default: <run>/evaluation/<data>-<split>
    trust: Any = None  # modules of your own code that the runs may name
    traceback: bool = False


ConfigStore.instance().store("train_schema", TrainKeys)
ConfigStore.instance().store("evaluate_schema", EvaluateKeys)
OmegaConf.register_new_resolver("program", lambda name: " ".join(program(name)), replace=True)
OmegaConf.register_new_resolver("options", lambda group: ", ".join(options(group)), replace=True)


def compose(overrides: list[str], config_name: str = "train") -> DictConfig:
    """Compose as the programs do, for notebooks and tests."""
    require_groups(overrides, config_name)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose(config_name, overrides)


def require_groups(overrides: Sequence[str], config_name: str = "train") -> None:
    """Refuses words that choose no option of their group."""
    groups = [path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra"]
    require_options_of_groups(overrides, config_name, {group: options(group) for group in groups})


def plain(cfg: DictConfig) -> dict[str, Any]:
    """Returns nothing but dicts, lists and values, interpolations resolved."""
    content = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def as_yaml(values: Mapping[str, Any]) -> str:
    """Returns the text of a config.yaml."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(values)))


def with_task(data: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the keys of ``data``, those that ask what a task needs resolved by the keys of ``task``."""
    return plain(OmegaConf.create({"data": dict(data), "task": dict(task)}))["data"]  # type: ignore[no-any-return]


def plain_options(cfg: DictConfig) -> dict[str, Any]:
    """Returns the same of evaluate.py; what its data take from the config of the run is not known yet and left out."""
    content: Any = OmegaConf.to_container(cfg)
    data = content.pop("data", None)
    options = plain(OmegaConf.create(content))
    if not isinstance(data, dict):
        return {**options, "data": data}
    options["data"] = {}
    for key, value in data.items():
        with contextlib.suppress(InterpolationKeyError):
            options["data"][str(key)] = plain(OmegaConf.create({"value": value}))["value"]
    return options


def options(group: str) -> list[str]:
    """The names that ``group=`` takes."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def studies() -> list[str]:
    """Lists the studies that can be named here: those in sweeps/, and those that come with the package."""
    places = (Path("sweeps"), PACKAGE / "sweeps")
    names = {path.name for place in places for path in place.glob("*.yaml")} - {"wandb.yaml"}  # which W&B takes
    return sorted(f"sweeps/{name}" for name in names)


def study_path(file: Path) -> Path:
    """Returns where a study is: where it is said to be, else among those that come with the package."""
    packaged = PACKAGE / "sweeps" / file.name
    return packaged if not file.exists() and file.parent == Path("sweeps") and packaged.is_file() else file


def suggestion(name: str, known: list[str]) -> str:
    """The nearest known name, as a question to append to an error; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def transfer(learnt: bool, frozen: bool) -> str:
    """Which arm of transfer learning; ``learnt`` on something else before, from the hub or a file of the user's."""
    if frozen:
        return "frozen" if learnt else "frozen-random"
    return "finetuned" if learnt else "scratch"
