"""Types the config of a training: parsed once from the command line or from a run, and never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from lungseg.core.config.component import AugmentConfig, Component, ModelConfig, TaskConfig
from lungseg.core.config.compose import transfer
from lungseg.core.config.data_config import DataConfig
from lungseg.core.config.trainer_config import LoggerConfig, TrainerConfig

NOT_SAVED = ("trust",)  # said anew by whoever reads a config back


@dataclass(frozen=True)
class TrainConfig:
    """Holds every key of train.py; the top-level ones mean what ``lungseg.core.config.compose.TrainKeys`` says."""

    task: TaskConfig
    data: DataConfig
    model: ModelConfig
    loss: Component
    optim: Component
    schedule: Component
    augment: AugmentConfig
    trainer: TrainerConfig
    callbacks: Mapping[str, Component | None]
    logger: LoggerConfig
    pretrained: bool
    freeze_encoder: bool
    seed: int
    monitor: str
    ema: float | None
    patience: int | None
    resume: str | None
    label: str | None
    run_dir: str | None
    traceback: bool
    trust: str | Sequence[str] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads values that are known to be sound: see ``lungseg.core.config.validation.require_values``."""
        parts: dict[str, Any] = {
            "task": TaskConfig.of(values["task"]),
            "data": DataConfig.of(values["data"]),
            "model": ModelConfig.of(values["model"]),
            **{part: Component.of(values[part]) for part in ("loss", "optim", "schedule")},
            "augment": AugmentConfig.of(values["augment"]),
            "trainer": TrainerConfig.of(values["trainer"]),
            "callbacks": {name: one and Component.of(one) for name, one in values["callbacks"].items()},
            "logger": LoggerConfig.of(values["logger"]),
        }
        others: dict[str, Any] = {one.name: values.get(one.name) for one in fields(cls) if one.name not in parts}
        return cls(**parts, **others)

    @property
    def arm(self) -> str:
        """Names the arm of transfer learning that this is."""
        return transfer(bool(self.pretrained or self.model.weights), self.freeze_encoder)

    def normalised_by(self, mean: float, deviation: float) -> Self:
        """Returns the same config with the numbers that were measured of the data."""
        how = replace(self.data.preprocessing, normalise=(mean, deviation))
        return replace(self, data=replace(self.data, preprocessing=how))

    def running_on(self, trainer: TrainerConfig, batch_size: int | None) -> Self:
        """Returns the same config on another device, in other batches where a size is given."""
        loader = self.data.loader if batch_size is None else replace(self.data.loader, batch_size=batch_size)
        return replace(self, trainer=trainer, data=replace(self.data, loader=loader))

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys of train.py again: what a run keeps in its config.yaml."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self) if one.name not in NOT_SAVED}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: inner and inner.to_dict() for name, inner in value.items()}
    return value.to_dict() if hasattr(value, "to_dict") else value
