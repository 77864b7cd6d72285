"""Types what a config says of the trainer and of the dashboards."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

TARGET = "lungseg.training.trainer.build"


@dataclass(frozen=True)
class TrainerConfig:
    """Holds the keys of ``trainer``; ``auto`` stands until they are resolved."""

    max_epochs: int
    accelerator: str
    devices: int | str | list[int]  # how many, or which ones
    precision: str | int
    channels_last: bool | str
    save_every_minutes: float
    strategy: str = "auto"
    gradient_clip_val: float | None = None
    accumulate_grad_batches: int = 1
    num_nodes: int = 1
    sync_batchnorm: bool = True
    rank_timeout_minutes: float = 30.0  # that a rank waits for the others
    options: Mapping[str, Any] = field(default_factory=dict)  # others, of Lightning's Trainer

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads the keys of ``trainer``."""
        known = {key: values[key] for key in KEYS if key in values}
        others = {key: value for key, value in values.items() if key not in (*KEYS, "_target_")}
        return cls(**known, options=others)

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys of ``trainer`` again."""
        return {"_target_": TARGET, **{key: getattr(self, key) for key in KEYS}, **self.options}


KEYS = (  # as in conf/trainer/auto.yaml
    *("max_epochs", "accelerator", "devices", "strategy", "precision", "channels_last", "gradient_clip_val"),
    *("accumulate_grad_batches", "save_every_minutes", "num_nodes", "sync_batchnorm", "rank_timeout_minutes"),
)


@dataclass(frozen=True)
class WandbConfig:
    """Says where W&B shows a run."""

    project: str = "lungseg"
    group: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True)
class LoggerConfig:
    """Says which dashboards a run has beside its metrics.csv."""

    wandb: WandbConfig | None = None
    tensorboard: bool = False
    csv: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads the keys of ``logger``."""
        wandb = WandbConfig(**(values["wandb"] or {})) if "wandb" in values else None
        return cls(wandb, "tensorboard" in values, "csv" in values)

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys of ``logger`` again."""
        chosen: dict[str, Any] = {"csv": {}} if self.csv else {}
        if self.wandb is not None:
            chosen["wandb"] = self.wandb.to_dict()
        return {**chosen, "tensorboard": {}} if self.tensorboard else chosen
