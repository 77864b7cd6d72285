"""A trial, and the runs that it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lungseg.core.shell_commands import hydra_value
from lungseg.sweep.spec.schema import Overrides
from lungseg.sweep.spec.settings import Settings


@dataclass(frozen=True)
class Part:
    """One run of a trial: one process, one run directory."""

    name: str
    overrides: Overrides
    run_dir: Path

    @property
    def words(self) -> list[str]:
        """What follows ``python train.py``."""
        return [f"{key}={value}" for key, value in (self.overrides | {"run_dir": hydra_value(self.run_dir)}).items()]


@dataclass(frozen=True)
class Trial:
    """``parts`` are run one after another: several where each trial has several seeds or folds.

    ``needs`` names the trials whose run directories it uses; ``encoder`` is the one whose published weights it starts
    from, None where it needs none.
    """

    name: str
    parts: list[Part]
    needs: tuple[str, ...] = ()
    encoder: str | None = None


def parts_of(name: str, overrides: Overrides, settings: Settings, folder: Path) -> list[Part]:
    """Returns the runs of a trial: one with each seed, or on each fold, where a search asks for several."""
    each: Sequence[tuple[str, Overrides]] = [("", {})]
    if settings.seeds:
        each = [(f"-seed{seed}", {"seed": str(seed)}) for seed in settings.seeds]
    elif settings.folds:
        each = [(f"-fold{n}", {"data.folds": str(settings.folds), "data.fold": str(n)}) for n in range(settings.folds)]
    return [Part(name + ending, overrides | words, folder / (name + ending)) for ending, words in each]
