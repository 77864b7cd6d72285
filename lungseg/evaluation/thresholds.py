"""Keeps the thresholds that the validation cases chose in the run directory."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lungseg.core.atomic_io import write_json
from lungseg.core.errors import UserError
from lungseg.core.locks import locked
from lungseg.core.security.safe_json import described, is_kind, read_object
from lungseg.tasks.base import Thresholds

log = logging.getLogger("lungseg")

REMEDY = "remove it, and it is made again"


def kept(path: Path, how: str, weights: str, make: Callable[[], Thresholds | None]) -> Thresholds | None:
    """Those that these ``weights`` have, predicting by ``how``, from the file, else ``make`` and keep them.

    A run that went on since has other weights. None is not kept, and nothing where the run cannot be written to.
    """
    found = _read(path).get(how)
    if found is not None and found["weights"] == weights:
        return {region: float(value) for region, value in found["thresholds"].items()}
    made = make()
    if made is not None:
        try:
            with locked(path):
                write_json(path, _read(path) | {how: {"weights": weights, "thresholds": made}})
        except UserError as error:
            log.info("the thresholds of validation are not kept: %s", error)
    return made


def _read(path: Path) -> dict[str, Any]:
    """Empty where there is no file."""
    if not os.path.lexists(path):
        return {}
    content = read_object(path, REMEDY)
    known = {how: entry for how, entry in content.items() if not isinstance(entry, dict) or "weights" in entry}
    for how, entry in known.items():  # the others are of a kind that was written once, and are made again
        if not isinstance(entry, dict) or not isinstance(entry["weights"], str):
            raise UserError(f"{path}: {how!a} is {described(entry)}; expected weights and thresholds; {REMEDY}")
        chosen = entry.get("thresholds")
        if not isinstance(chosen, dict) or not chosen:
            raise UserError(f"{path}: {how!a}: thresholds is {described(chosen)}; expected one by region; {REMEDY}")
        for region, value in chosen.items():
            if not is_kind(value, float) or not 0 < value < 1:
                raise UserError(
                    f"{path}: {how!a}: the threshold of {region!a} is {described(value)}; expected a number between 0 "
                    f"and 1; {REMEDY}"
                )
    return known
