"""How a study is worked through: what is sought, how long, with what, where. All can be said on the command line."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.core.security.safe_yaml import shown

SAMPLERS = ("tpe", "cmaes", "random")
PRUNERS = ("none", "median", "asha", "hyperband")
KINDS = {"Float": "a number", "Integer": "a whole number", "Boolean": "true or false"}
EXECUTORS = ("local", "slurm", "ray")
LATENCY = "milliseconds_per_image"
SMALLER = (LATENCY, "training_seconds", "val/loss")  # is better, where a study does not say so


@dataclass
class Budget:
    """Whichever is used up first."""

    trials: int | None = None  # of a search; null: until the hours are over
    hours: float | None = None  # after them nothing new is started


@dataclass
class Resources:
    """Of one trial."""

    gpus: float = 1.0  # a share, or several; where there is no GPU it is not looked at
    cpus: int | None = None  # null: what the slots leave for each


@dataclass
class Settings:
    """Of a study; the defaults are those of one person at one machine."""

    objective: Any = "val/dice"  # a metric of the best epoch, or {name, direction}, or two of them: a Pareto front
    budget: Budget = field(default_factory=Budget)
    sampler: str = "tpe"
    sampler_seed: int = 0
    pruner: str = "none"
    seeds: list[int] = field(default_factory=list)  # of a search: each trial is trained once with each, and is the mean
    folds: int | None = None  # or on each fold
    resources: Resources = field(default_factory=Resources)
    executor: str = "local"
    slots: Any = "auto"  # trials at once, of one worker
    workers: int = 2  # that slurm or ray start
    retries: int = 2  # of a trial that was killed or whose machine went away; it goes on from its checkpoint
    shrink: bool = False  # out of memory: once more, with half the batch and twice the gradients added up
    retrain: int = 0  # seeds with which the best of a search is trained again at the end
    storage: str | None = None  # null: a journal in the study's folder; or sqlite:///, postgresql://, mysql:// ...
    heartbeat: float = 60.0  # seconds without a sign of life, after which a worker counts as dead
    slurm: dict[str, Any] = field(
        default_factory=dict
    )  # for sbatch: partition, time, gres, ...; mode: workers or trials
    ray: dict[str, Any] = field(default_factory=dict)  # address: auto joins a cluster


KEYS = tuple(Settings.__dataclass_fields__)
OF_SEARCH = ("budget", "sampler", "sampler_seed", "pruner", "seeds", "folds", "retrain")  # a grid knows none of them


@dataclass(frozen=True)
class Objective:
    """What a search is led by."""

    name: str
    direction: Literal["maximize", "minimize"]


def read_settings(parts: Mapping[str, Mapping[str, Any]], given: Mapping[str, str], file: Path) -> Settings:
    """``parts``: place in the file -> its settings, later ones over earlier; ``given`` are dotted keys, over all."""
    merged = OmegaConf.structured(Settings)
    for place, part in parts.items():
        merged = _merged(merged, OmegaConf.create(dict(part)), f"{file}: {place}")
    for key, value in given.items():
        try:
            word = OmegaConf.from_dotlist([f"{key}={value}"])
        except YAMLError:
            raise UserError(f"{key}: the value {shown(value)} cannot be read; put it into quotes") from None
        merged = _merged(merged, word, "")
    settings = OmegaConf.to_object(merged)
    assert isinstance(settings, Settings)
    _require_sense(settings)
    return settings


def _merged(base: Any, more: Any, place: str) -> Any:
    try:
        return OmegaConf.merge(base, more)
    except ConfigKeyError as error:
        key = str(error.full_key or error.key)
        known = [k for k in KEYS if "." not in key] or [f"{key.split('.')[0]}.{k}" for k in _inner(key.split(".")[0])]
        raise UsageError(f"{place}{key}: no such key; there are {', '.join(known)}{suggestion(key, known)}") from None
    except OmegaConfBaseException as error:
        raise UserError(f"{place}{error.full_key or error.key}: {_mended(error)}") from None


def _mended(error: OmegaConfBaseException) -> str:
    """What was found and expected, without OmegaConf's names for it."""
    said = " ".join(str(error.msg if hasattr(error, "msg") else error).split("\n")[0].split())
    if found := re.match(r"Value '(.*)' of type '.*' could not be converted to (\w+)", said):
        return f"found {found[1]}, expected {KINDS.get(found[2], found[2])}"
    return "expected a list, as [0, 1, 2]" if "is not a ListConfig" in said else said


def _inner(name: str) -> list[str]:
    kinds: dict[str, type[Budget] | type[Resources]] = {"budget": Budget, "resources": Resources}
    return list(kinds[name].__dataclass_fields__) if name in kinds else []


def _require_sense(settings: Settings) -> None:
    for key, value, known in (
        ("sampler", settings.sampler, SAMPLERS),
        ("pruner", settings.pruner, PRUNERS),
        ("executor", settings.executor, EXECUTORS),
    ):
        if value not in known:
            raise UserError(f"{key}={value}: expected one of {', '.join(known)}{suggestion(value, list(known))}")
    bounds: dict[str, tuple[float | None, float, float]] = {
        "budget.trials": (settings.budget.trials, 1, 1_000_000),
        "folds": (settings.folds, 2, 1000),
        "resources.cpus": (settings.resources.cpus, 1, 100_000),
        "workers": (settings.workers, 1, 100_000),
        "retries": (settings.retries, 0, 1000),
        "retrain": (settings.retrain, 0, 1000),
        "heartbeat": (settings.heartbeat, 2, 86_400),
        "slots": (settings.slots if isinstance(settings.slots, int) else None, 1, 1024),
        "seeds": (len(settings.seeds), 0, 1000),
    }
    for key, (number, low, high) in bounds.items():
        if number is not None and not low <= number <= high:
            expected = f"at least {low:g}" if number < low else f"at most {high:g}"
            raise UserError(f"{key}={number}: expected {expected}")
    gpus = settings.resources.gpus
    if not 0 <= gpus < math.inf or (gpus > 1 and gpus != int(gpus)):
        raise UserError(f"resources.gpus={gpus:g}: expected a share up to 1, or a whole number of GPUs")
    if settings.budget.hours is not None and not settings.budget.hours > 0:
        raise UserError(f"budget.hours={settings.budget.hours}: expected a number above 0")
    if settings.slots != "auto" and not (isinstance(settings.slots, int) and settings.slots >= 1):
        raise UserError(f"slots={settings.slots}: expected a whole number, at least 1, or auto")
    if settings.seeds and settings.folds:
        raise UserError("seeds and folds: a trial is trained with several seeds or on several folds; leave one out")
    if len(settings.seeds) != len(set(settings.seeds)):
        raise UserError(f"seeds={settings.seeds}: one is there twice")
    if len(objectives(settings)) == 2 and settings.pruner != "none":
        raise UserError(f"pruner={settings.pruner}: with two objectives nothing can be pruned; take pruner=none")
    if len(objectives(settings)) == 2 and settings.sampler == "cmaes":
        raise UserError("sampler=cmaes: takes one objective; with two take sampler=tpe or random")


def objectives(settings: Settings) -> list[Objective]:
    """One or two; a name alone is maximised, unless less of it is known to be better."""
    given = settings.objective if isinstance(settings.objective, list) else [settings.objective]
    if not 1 <= len(given) <= 2:
        raise UserError(f"objective: {len(given)} are given; expected one, or two for a Pareto front")
    found = [_objective(one) for one in given]
    if len({one.name for one in found}) < len(found):
        raise UserError(f"objective: {found[0].name} is there twice")
    return found


def _objective(given: Any) -> Objective:
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str) or set(given) - {"name", "direction"}:
        raise UserError(f"objective={given}: expected a metric as val/dice, or {{name: val/loss, direction: minimize}}")
    name = given["name"]
    if "," in name:
        raise UserError(f"objective={name}: two are written as objective=[{name}]")
    if not name.startswith("val/") and name not in SMALLER:
        raise UserError(
            f"objective={name}: expected a metric of the validation cases, val/..., or {', '.join(SMALLER[:2])}; "
            "nothing is chosen by test cases"
        )
    direction = given.get("direction", "minimize" if name in SMALLER or name.endswith("loss") else "maximize")
    if direction not in ("maximize", "minimize"):
        raise UserError(f"objective: direction={direction}: expected maximize or minimize")
    return Objective(name, direction)
