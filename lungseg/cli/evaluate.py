"""Judges a finished run again: ``python evaluate.py run=<run directory>``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from lungseg.cli import hydra_app
from lungseg.core import fast_startup
from lungseg.core.config.command_line import parsed_judgement
from lungseg.core.config.evaluate_config import EvaluateConfig


def job(composed: DictConfig) -> None:
    """Judges what the command line says."""
    start(parsed_judgement(composed), HydraConfig.get().overrides.task)


def start(cfg: EvaluateConfig, words: Sequence[str]) -> Path:
    """Judges what ``cfg``, parsed from ``words``, says; what is heavy is imported once that is right."""
    with fast_startup.importing():
        from lungseg.evaluation.evaluate import evaluate

    return evaluate(cfg, words).directory


def with_settable_keys(words: Sequence[str]) -> list[str]:
    """Returns a command line whose words for the run's own data, moved, are taken as typed."""
    if any(word.startswith("data=") for word in words):
        return list(words)
    return [f"++{word}" if word.startswith("data.") else word for word in words]


def main() -> None:
    """Runs the command line of the process."""
    sys.argv[1:] = with_settable_keys(sys.argv[1:])
    with fast_startup.swift_end():
        hydra_app.main(job, "evaluate")


if __name__ == "__main__":
    main()
