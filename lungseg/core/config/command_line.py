"""Parses command lines into typed configs: the edge below which nobody sees a config of Hydra."""

from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lungseg.core.config.component import TaskConfig
from lungseg.core.config.compose import compose, plain, plain_options
from lungseg.core.config.data_config import DataConfig
from lungseg.core.config.evaluate_config import EvaluateConfig
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.config.validation import require_data, require_options, require_values
from lungseg.core.errors import MissingValueError


def train_config(words: Sequence[str]) -> TrainConfig:
    """Returns what ``train.py`` is told by these words."""
    return parsed_training(compose(list(words)))


def evaluate_config(words: Sequence[str]) -> EvaluateConfig:
    """Returns what ``evaluate.py`` is told by these words."""
    return parsed_judgement(compose(list(words), "evaluate"))


def data_config(words: Sequence[str]) -> DataConfig:
    """Returns what the words of ``train.py`` say of the data; the others are not looked at."""
    cfg = compose(list(words))
    require_complete(cfg, "data")
    return DataConfig.of(require_data(plain(cfg)["data"]))


def task_config(words: Sequence[str]) -> TaskConfig:
    """Returns what the words of ``train.py`` say of the task."""
    return TaskConfig.of(plain(compose(list(words)))["task"])


def parsed_training(cfg: DictConfig) -> TrainConfig:
    """Returns a composed config of train.py with each value known to be sound."""
    require_complete(cfg)
    return TrainConfig.of(require_values(plain(cfg)))


def parsed_judgement(cfg: DictConfig) -> EvaluateConfig:
    """Returns a composed config of evaluate.py with each value known to be sound."""
    require_complete(cfg)
    values = require_options(plain_options(cfg))
    if cfg.data is not None:  # what they take from the run's task is kept as it is written
        written: Any = OmegaConf.to_container(cfg.data)
        values["data"] = {str(key): values["data"].get(key, value) for key, value in written.items()}
    return EvaluateConfig.of(values)


def require_complete(cfg: DictConfig, group: str = "") -> None:
    """Refuses a config in which a key, of this group where one is named, has no value yet."""
    for key in sorted(_missing(OmegaConf.to_container(cfg[group] if group else cfg), group)):
        raise MissingValueError(key)


def _missing(value: Any, key: str = "") -> Iterator[str]:
    """Yields the keys without a value; OmegaConf's own function fails where an interpolation leads nowhere yet."""
    if value == "???":
        yield key
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from _missing(inner, f"{key}.{name}" if key else str(name))
