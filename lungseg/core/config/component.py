"""Holds what a config says of one object that is built: the ``_target_`` and what it is called with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Component:
    """Names what is called, a dotted path, and the keys that its YAML gives it, Hydra's own among them."""

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads the keys of a group."""
        return cls(str(values["_target_"]), {key: value for key, value in values.items() if key != "_target_"})

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys again, as Hydra instantiates them and a run keeps them."""
        return {"_target_": self.target, **self.options}


@dataclass(frozen=True)
class TaskConfig(Component):
    """Says what is learned; a task is called with its name, too."""

    @property
    def name(self) -> str:
        return str(self.options["name"])


@dataclass(frozen=True)
class ModelConfig:
    """Names a net, and says how it is built."""

    name: str
    net: Component

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads the keys of ``model``."""
        return cls(str(values["name"]), Component.of({key: value for key, value in values.items() if key != "name"}))

    @property
    def encoder(self) -> str | None:
        """Names the encoder, where the net has one to be chosen."""
        return self.net.options.get("encoder")

    @property
    def weights(self) -> str | None:
        """Returns the file or run directory that the net starts from; None where it starts from no other."""
        return self.net.options.get("weights")

    def untrained(self) -> Self:
        """Returns the same net, built without reading or fetching weights."""
        nothing = {key: empty for key, empty in (("pretrained", False), ("weights", None)) if key in self.net.options}
        return type(self)(self.name, Component(self.net.target, {**self.net.options, **nothing}))

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys of ``model`` again."""
        return {"name": self.name, **self.net.to_dict()}


@dataclass(frozen=True)
class AugmentConfig:
    """Lists the transforms of training images."""

    transforms: tuple[Component, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads the keys of ``augment``."""
        return cls(tuple(map(Component.of, values.get("transforms") or ())))

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys of ``augment`` again."""
        return {"transforms": [transform.to_dict() for transform in self.transforms]}
