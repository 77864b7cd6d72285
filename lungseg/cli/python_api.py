"""Trains and judges from Python, as often as one likes in one process: for notebooks and scripts of one's own."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lungseg.cli import evaluate as evaluate_program
from lungseg.cli import train as train_program
from lungseg.core.config.compose import compose
from lungseg.core.config.usage_errors import explain
from lungseg.core.errors import UsageError
from lungseg.core.programs import program, repeated_by
from lungseg.training.resume import with_settable_keys


def train(*words: str) -> Path:
    """Trains as ``python train.py`` with these words does; returns the run directory. Raises ``UserError``."""
    given = with_settable_keys(words)
    with repeated_by([*program("train"), *words]):
        return train_program.start(_composed(given, "train"), given).path


def evaluate(*words: str) -> Path:
    """Judges as ``python evaluate.py`` with these words does; returns the judgement's folder. Raises ``UserError``."""
    given = evaluate_program.with_settable_keys(words)
    with repeated_by([*program("evaluate"), *words]):
        return evaluate_program.start(_composed(given, "evaluate"), given)


def _composed(words: Sequence[str], name: str) -> DictConfig:
    before = GlobalHydra.instance().hydra  # somebody else's, in their own program
    GlobalHydra.instance().clear()
    try:
        cfg = compose(list(words), name)
        missing = sorted(OmegaConf.missing_keys(cfg))
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, name, words) from None
    finally:
        GlobalHydra.instance().hydra = before
    for key in missing:
        raise UsageError(f"{key}: a value is needed; add {key}=...")
    return cfg
