"""Judge a finished run again: python evaluate.py run=<run directory>; python evaluate.py --help."""

import sys

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from lungseg import lean
from lungseg.config import plain_options
from lungseg.program import main
from lungseg.values import require_options


def job(cfg: DictConfig) -> None:
    """Import what is heavy only now that the config is right."""
    require_options(plain_options(cfg))
    with lean.importing():
        from lungseg.judging import evaluate

    evaluate(cfg, HydraConfig.get().overrides.task)


if __name__ == "__main__":
    if not any(word.startswith("data=") for word in sys.argv):  # data.root=... alone: the run's own data, moved
        sys.argv = [f"++{word}" if word.startswith("data.") else word for word in sys.argv]
    with lean.swift_end():
        main(job, "evaluate")
