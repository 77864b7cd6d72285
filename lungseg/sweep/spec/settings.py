"""How a study is worked through: what is sought, how long, with what, where. All can be said on the command line."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import OmegaConf
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from yaml import YAMLError

from lungseg.core.config.compose import suggestion
from lungseg.core.errors import UsageError, UserError
from lungseg.core.security.safe_yaml import shown

LATENCY = "milliseconds_per_image"
SMALLER = (LATENCY, "training_seconds", "val/loss")  # is better, where a study does not say so


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "a whole number")
    return value


Whole = Annotated[int, BeforeValidator(_no_bool)]


class Part(BaseModel):
    """Says what a mapping of settings may hold."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class Budget(Part):
    """Whichever is used up first."""

    trials: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None  # of a search; null: until the hours are over
    hours: float | None = None  # after them nothing new is started


class Resources(Part):
    """Of one trial."""

    gpus: float = 1.0  # a share, or several; where there is no GPU it is not looked at
    cpus: Annotated[Whole, Field(ge=1, le=100_000)] | None = None  # null: what the slots leave for each


class Settings(Part):
    """Of a study; the defaults are those of one person at one machine."""

    objective: Any = "val/dice"  # a metric of the best epoch, or {name, direction}, or two of them: a Pareto front
    budget: Budget = Field(default_factory=Budget)
    sampler: Literal["tpe", "cmaes", "random"] = "tpe"
    sampler_seed: Whole = 0
    pruner: Literal["none", "median", "asha", "hyperband"] = "none"
    seeds: list[Whole] = Field(default_factory=list)  # of a search: each trial is trained once with each, and the mean
    folds: Annotated[Whole, Field(ge=2, le=1000)] | None = None  # or on each fold
    resources: Resources = Field(default_factory=Resources)
    executor: Literal["local", "slurm", "ray"] = "local"
    slots: Any = "auto"  # trials at once, of one worker
    workers: Annotated[Whole, Field(ge=1, le=100_000)] = 2  # that slurm or ray start
    retries: Annotated[Whole, Field(ge=0, le=1000)] = 2  # of a trial that was killed or whose machine went away
    shrink: bool = False  # out of memory: once more, with half the batch and twice the gradients added up
    retrain: Annotated[Whole, Field(ge=0, le=1000)] = 0  # seeds with which the best of a search is trained again
    storage: str | None = None  # null: a journal in the study's folder; or sqlite:///, postgresql://, mysql:// ...
    heartbeat: Annotated[float, Field(ge=2, le=86_400)] = 60.0  # seconds of silence after which a worker is dead
    slurm: dict[str, Any] = Field(default_factory=dict)  # for sbatch: partition, time, gres, ...; mode: workers, trials
    ray: dict[str, Any] = Field(default_factory=dict)  # address: auto joins a cluster


KEYS = tuple(Settings.model_fields)
EXPECTED = {  # how pydantic's name for a mistake begins -> what was expected
    "bool": "true or false",
    "dict": "a mapping, KEY: VALUE on each line",
    "float": "a number",
    "int": "a whole number",
    "model": "a mapping, KEY: VALUE on each line",
    "string": "a text",
}
OF_SEARCH = ("budget", "sampler", "sampler_seed", "pruner", "seeds", "folds", "retrain")  # a grid knows none of them


@dataclass(frozen=True)
class Objective:
    """What a search is led by."""

    name: str
    direction: Literal["maximize", "minimize"]


def read_settings(parts: Mapping[str, Mapping[str, Any]], given: Mapping[str, str], file: Path) -> Settings:
    """``parts``: place in the file -> its settings, later ones over earlier; ``given`` are dotted keys, over all."""
    merged: dict[str, Any] = {}
    for place, part in parts.items():
        merged = _merged(merged, dict(part), f"{file}: {place}")
    for key, value in given.items():
        try:
            word: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"{key}={value}"]))
        except YAMLError:
            raise UserError(f"{key}: the value {shown(value)} cannot be read; put it into quotes") from None
        merged = _merged(merged, word, "")
    settings = Settings.model_validate(merged)
    _require_sense(settings)
    return settings


def _merged(base: Mapping[str, Any], more: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Mappings are joined key by key; what is wrong with ``more`` is told with its place."""
    try:
        Settings.model_validate(more)
    except ValidationError as error:
        raise _refused(error.errors(include_url=False)[0], place) from None
    both = dict(base)
    for key, value in more.items():
        before = both.get(key)
        both[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return both


def _refused(mistake: ErrorDetails, place: str) -> UserError:
    """Returns the error to raise, by what pydantic calls the mistake."""
    key, value = ".".join(str(part) for part in mistake["loc"] if not isinstance(part, int)), mistake["input"]
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        outer = key.rpartition(".")[0]
        known = [f"{outer}.{name}" for name in _inner(outer)] if outer else list(KEYS)
        return UsageError(f"{place}{key}: no such key; there are {', '.join(known)}{suggestion(key, known)}")
    if kind == "literal_error":
        options = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        return UserError(f"{key}={value}: expected one of {', '.join(options)}{suggestion(str(value), options)}")
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']:g}" if "ge" in context else f"at most {context['le']:g}"
        return UserError(f"{key}={value}: expected {bound}")
    if kind == "list_type":
        return UserError(f"{place}{key}: expected a list, as [0, 1, 2]")
    return UserError(f"{place}{key}: found {shown(value)}, expected {EXPECTED.get(kind.split('_')[0], 'another kind')}")


def _inner(name: str) -> list[str]:
    kinds: dict[str, type[Part]] = {"budget": Budget, "resources": Resources}
    return list(kinds[name].model_fields) if name in kinds else []


def _require_sense(settings: Settings) -> None:
    gpus = settings.resources.gpus
    if not 0 <= gpus < math.inf or (gpus > 1 and gpus != int(gpus)):
        raise UserError(f"resources.gpus={gpus:g}: expected a share up to 1, or a whole number of GPUs")
    if settings.budget.hours is not None and not settings.budget.hours > 0:
        raise UserError(f"budget.hours={settings.budget.hours}: expected a number above 0")
    if isinstance(settings.slots, int) and not isinstance(settings.slots, bool) and not 1 <= settings.slots <= 1024:
        bound = "at least 1" if settings.slots < 1 else "at most 1024"
        raise UserError(f"slots={settings.slots}: expected {bound}")
    if settings.slots != "auto" and (not isinstance(settings.slots, int) or isinstance(settings.slots, bool)):
        raise UserError(f"slots={settings.slots}: expected a whole number, at least 1, or auto")
    if len(settings.seeds) > 1000:
        raise UserError(f"seeds={len(settings.seeds)}: expected at most 1000")
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
