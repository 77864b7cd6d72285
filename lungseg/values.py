"""Values that no run can be trained with. Nothing heavy is imported here: they are told before anything starts."""

from collections.abc import Mapping
from typing import Any

from lungseg.errors import UserError


def require_values(config: Mapping[str, Any]) -> None:
    """Of a whole config, its interpolations resolved."""
    if not isinstance(config["seed"], int) or not 0 <= config["seed"] < 2**32:
        raise UserError(f"seed={config['seed']}: expected a whole number from 0 to {2**32 - 1}")
    patience = config["patience"]
    if patience is not None and patience < 1:
        raise UserError(f"patience={patience}: expected a number of epochs, at least 1, or null for never")
    rate = config["optim"].get("lr", 1)
    if not isinstance(rate, int | float) or not rate > 0:
        raise UserError(f"optim.lr={rate}: expected a number above 0, for example 1e-3")
    for key in ("max_epochs", "accumulate_grad_batches"):
        _require_whole(f"trainer.{key}", config["trainer"].get(key, 1), 1)
    minutes = config["trainer"].get("rank_timeout_minutes", 1)
    if not isinstance(minutes, int | float) or not minutes > 0:
        raise UserError(f"trainer.rank_timeout_minutes={minutes}: expected a number above 0, for example 30")
    require_preprocessing(config["data"])


def require_preprocessing(data: Mapping[str, Any]) -> None:
    for key, least in (("size", 32), ("batch_size", 1)):
        _require_whole(f"data.{key}", data[key], least)
    if data["aspect"] not in ("squash", "pad"):
        raise UserError(f"data.aspect={data['aspect']}: expected squash or pad")


def _require_whole(key: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise UserError(f"{key}={value}: expected a whole number, at least {least}")
