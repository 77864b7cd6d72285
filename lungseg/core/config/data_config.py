"""Types what a config says of the data: their source, what the net sees of them, their split, how they are loaded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from lungseg.core.config.component import Component

ORDER = (  # of the keys that all data sets share, as in conf/train.yaml
    *("size", "batch_size", "workers", "val", "test", "split_seed", "folds", "fold", "splits", "train_domains"),
    *("drop_leaks", "limit", "clahe", "aspect", "normalise", "crop", "gate", "view", "window", "neighbours", "patch"),
    *("spacing", "foreground", "patches_per_volume", "pack", "overfit"),
)


Triple = tuple[int, int, int]
PATCH: Triple = (32, 96, 96)  # of 3-D nets, where none is given


@dataclass(frozen=True)
class PreprocessingConfig:
    """Says what a net sees of an image."""

    size: int
    clahe: bool
    aspect: str
    normalise: str | tuple[float, float]  # how, or the mean and deviation themselves
    crop: str | None  # a run of task=lung
    view: str | None  # how a net sees volumes; None: the cases are pictures
    window: tuple[float, float]  # Hounsfield units that are told apart
    neighbours: int  # slices on each side that the net sees as well
    patch: Triple | None  # voxels along z, y and x that the net sees at once; None: whole slices
    spacing: str | tuple[float, float, float] | None  # millimetres of a voxel; auto until it is measured
    gate: str | None  # a run of task=lung whose lungs a prediction is kept to

    @property
    def channels(self) -> int:
        """Returns how many planes the net is given at once."""
        return 2 * self.neighbours + 1 if self.view == "slices" else 1

    @property
    def sees_volumes(self) -> bool:
        """Returns whether the net is given 3-D patches."""
        return self.view == "patches"

    @property
    def size_key(self) -> str:
        """Returns the key that decides how much of a case the net sees at once."""
        return "data.size" if self.patch is None else "data.patch"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Returns the shape of one sample, as the net is given it."""
        if self.patch is None:
            return self.channels, self.size, self.size
        return (1, *self.patch) if self.sees_volumes else (self.channels, *self.patch[1:])


@dataclass(frozen=True)
class SplitConfig:
    """Says which cases are trained on."""

    val: float
    test: float
    split_seed: int
    folds: int | None
    fold: int | None
    splits: str | None  # a file
    train_domains: str | tuple[str, ...] | None
    drop_leaks: bool


@dataclass(frozen=True)
class LoaderConfig:
    """Says how cases are loaded."""

    batch_size: int
    workers: int | str  # auto until it is resolved
    pack: bool
    overfit: int | None
    foreground: float = 0.33  # share of drawn patches that hold a region
    patches_per_volume: int = 8  # drawn in each epoch


@dataclass(frozen=True)
class SourceConfig:
    """Names a data set, how many of its cases are taken, and the function that lists them with its own options."""

    name: str
    limit: int | None
    cases: Component

    @property
    def root(self) -> str | None:
        """Returns the folder that the data are in, where they are in one."""
        return self.cases.options.get("root")


SPLITTING = frozenset(field.name for field in fields(SplitConfig))
LOADING = frozenset(field.name for field in fields(LoaderConfig))
PREPROCESSING = frozenset(field.name for field in fields(PreprocessingConfig))
KEPT = PREPROCESSING | SPLITTING | LOADING  # what is a run's own, whatever data it is judged on


@dataclass(frozen=True)
class DataConfig:
    """Holds the keys of ``data``."""

    source: SourceConfig
    preprocessing: PreprocessingConfig
    split: SplitConfig
    loader: LoaderConfig

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Reads the keys of ``data``."""
        frozen: dict[str, Any] = {key: tuple(value) if key in KEPT and isinstance(value, list) else value
                  for key, value in values.items()}  # fmt: skip
        if frozen["view"] == "patches" and frozen["patch"] is None:
            frozen["patch"] = PATCH
        return cls(
            source_of(values),
            PreprocessingConfig(**{key: frozen[key] for key in PREPROCESSING}),
            SplitConfig(**{key: frozen[key] for key in SPLITTING}),
            LoaderConfig(**{key: frozen[key] for key in LOADING}),
        )

    def without_leak_search(self) -> Self:
        """Returns the same data with a split that no image need be read for."""
        return replace(self, split=replace(self.split, drop_leaks=False))

    def to_dict(self) -> dict[str, Any]:
        """Returns the keys of ``data`` again."""
        shared = {**asdict(self.preprocessing), **asdict(self.split), **asdict(self.loader), "limit": self.source.limit}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in shared.items()}
        return {**{key: plain[key] for key in ORDER}, "name": self.source.name, **self.source.cases.to_dict()}


def source_of(values: Mapping[str, Any]) -> SourceConfig:
    """Reads the source from the keys of ``data``: what all data sets share is left to the others."""
    own = {key: value for key, value in values.items() if key not in (*ORDER, "name")}
    return SourceConfig(str(values["name"]), values.get("limit"), Component.of(own))
