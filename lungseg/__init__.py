"""Segments lungs and COVID-19 infection in chest X-rays and CT, and tells honestly which model is better."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["__version__", "evaluate", "train"]

__version__ = "0.2.0"


def train(words: Sequence[str]) -> Path:
    """Trains as ``python train.py`` with these words does; returns the run directory.

    Raises ``lungseg.core.errors.UserError`` where the user can mend something. Can be called as often as one likes.
    """
    from lungseg.cli import python_api  # what it imports takes seconds

    return python_api.train(words)


def evaluate(words: Sequence[str]) -> Path:
    """Judges as ``python evaluate.py`` with these words does; returns the judgement's folder."""
    from lungseg.cli import python_api

    return python_api.evaluate(words)
