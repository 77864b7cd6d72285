"""What evaluate.py is asked for, checked before anything is loaded."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig

from lungseg.core.config.compose import plain_options
from lungseg.core.config.validation import require_options
from lungseg.core.errors import UsageError, UserError
from lungseg.evaluation.case_selection import KEPT

TOLERANCES = (1.0, 2.0, 4.0)


def require_sound(options: DictConfig, overrides: Sequence[str]) -> None:
    """One line for the first that is not."""
    require_options(plain_options(options))
    tolerances(options.tolerances)
    members(options.run)
    for key in [override.lstrip("+").partition("=")[0] for override in overrides]:
        if key.removeprefix("data.") in KEPT and key.startswith("data."):
            raise UsageError(f"{key}: a run is judged with the preprocessing that it was trained with; leave it out")


def tolerances(given: Any) -> tuple[float, ...]:
    """One distance or several, without repetition."""
    found = list(given) if isinstance(given, ListConfig | list | tuple) else [given]
    if not found or not all(_is_distance(one) for one in found):
        said = f"[{','.join(map(str, found))}]" if isinstance(given, ListConfig) else given
        raise UserError(f"tolerances={said}: expected distances above 0, for example [1,2,4]")
    return tuple(dict.fromkeys(float(one) for one in found))


def _is_distance(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def members(given: Any) -> list[str]:
    """The paths of ``run=``: one, or several different ones."""
    if not isinstance(given, ListConfig):
        return [str(given)]
    paths = [str(path) for path in given]
    said = f"run=[{','.join(paths)}]"
    if len(paths) < 2:
        raise UserError(f"{said}: an ensemble is of at least 2 runs, as run=[a,b]; one alone is run=a")
    places = [Path(path).resolve() for path in paths]
    twice = next((path for n, path in enumerate(paths) if places[n] in places[:n]), None)
    if twice is not None:
        raise UserError(f"{said}: {twice} is there twice; an ensemble is of different runs, as run=[a,b]")
    return paths
