"""Types the config of a judgement: parsed once from the command line, and never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from lungseg.core.config.value_types import is_list
from lungseg.core.errors import UserError

TOLERANCES = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class EvaluateConfig:
    """Holds every key of evaluate.py; the defaults are those of the test at the end of a training."""

    run: tuple[str, ...]  # several are an ensemble
    data: Mapping[str, Any] | None = None  # keys of other data; ``with_task`` resolves what they take from the run
    split: str | None = None
    threshold: float = 0.5
    tta: str = "none"
    ask: tuple[str, ...] | None = None
    gate: str | None = None
    weight: Literal["images", "patients"] = "images"
    legacy: bool = False
    save: str | None = None
    tolerances: tuple[float, ...] = TOLERANCES
    batch_size: int | None = None
    accelerator: str = "auto"
    out: str | None = None
    trust: str | Sequence[str] | None = None
    traceback: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads values that are known to be sound: see ``lungseg.core.config.validation.require_options``."""
        typed: dict[str, Any] = {
            "run": _members(values["run"]),
            "ask": None if values["ask"] is None else tuple(dict.fromkeys(_listed(values["ask"]))),
            "tolerances": _tolerances(_listed(values["tolerances"])),
        }
        return cls(**typed, **{one.name: values[one.name] for one in fields(cls) if one.name not in typed})


def _listed(value: Any) -> list[Any]:
    return list(value) if is_list(value) else [value]


def _tolerances(distances: Sequence[float]) -> tuple[float, ...]:
    """Returns one distance or several, without repetition."""
    if not distances:
        raise UserError("tolerances=[]: expected distances above 0, for example [1,2,4]")
    return tuple(dict.fromkeys(map(float, distances)))


def _members(given: Any) -> tuple[str, ...]:
    """Returns the paths of ``run=``: one, or several different ones."""
    if not is_list(given):
        return (str(given),)
    paths = [str(path) for path in given]
    said = f"run=[{','.join(paths)}]"
    if len(paths) < 2:
        raise UserError(f"{said}: an ensemble is of at least 2 runs, as run=[a,b]; one alone is run=a")
    places = [Path(path).resolve() for path in paths]
    twice = next((path for n, path in enumerate(paths) if places[n] in places[:n]), None)
    if twice is not None:
        raise UserError(f"{said}: {twice} is there twice; an ensemble is of different runs, as run=[a,b]")
    return tuple(paths)
