"""Judges a finished run again: ``python evaluate.py run=<run directory>``."""

import sys

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from lungseg.cli import hydra_app
from lungseg.core import fast_startup
from lungseg.core.config.compose import plain_options
from lungseg.core.config.validation import require_options


def job(cfg: DictConfig) -> None:
    """Import what is heavy only now that the config is right."""
    require_options(plain_options(cfg))
    with fast_startup.importing():
        from lungseg.evaluation.evaluate import evaluate

    evaluate(cfg, HydraConfig.get().overrides.task)


def main() -> None:
    """Runs the command line of the process."""
    if not any(word.startswith("data=") for word in sys.argv):  # data.root=... alone: the run's own data, moved
        sys.argv = [f"++{word}" if word.startswith("data.") else word for word in sys.argv]
    with fast_startup.swift_end():
        hydra_app.main(job, "evaluate")


if __name__ == "__main__":
    main()
