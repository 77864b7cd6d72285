"""Trains and judges from Python, as often as one likes in one process: a notebook, a script of one's own."""

import contextlib
import gc
import os
import random
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from lungseg.cli import evaluate as evaluate_program
from lungseg.cli import train as train_program
from lungseg.core import rank_environment
from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.config.evaluate_config import EvaluateConfig
from lungseg.core.config.train_config import TrainConfig
from lungseg.core.config.usage_errors import explain
from lungseg.core.device import resolve
from lungseg.core.errors import UsageError, UserError
from lungseg.core.programs import program, repeated_by
from lungseg.data.loader_processes import STARTED
from lungseg.training import trainer
from lungseg.training.resume import with_settable_keys

T = TypeVar("T")
Config = TypeVar("Config", TrainConfig, EvaluateConfig)

_ONE_AT_A_TIME = threading.Lock()


def train(overrides: Sequence[str]) -> Path:
    """Trains as ``python train.py`` does with these words; returns the run directory, raises ``UserError``."""
    return _run("train", with_settable_keys(_words(overrides)), train_config, _train)


def evaluate(overrides: Sequence[str]) -> Path:
    """Judges as ``python evaluate.py`` does with these words; returns the folder of cases.csv and summary.json."""
    return _run("evaluate", evaluate_program.with_settable_keys(_words(overrides)), evaluate_config, _evaluate)


def _train(cfg: TrainConfig, words: list[str]) -> Path:
    if not cfg.resume and trainer.ranks(resolve(cfg.trainer)) > 1:
        raise UsageError(
            f"trainer.devices={cfg.trainer.devices}: lungseg.train trains in its own process alone, which ranks that "
            "die would take along; use trainer.devices=1, or a process of its own"
        )
    return train_program.start(cfg, words).path


def _evaluate(cfg: EvaluateConfig, words: list[str]) -> Path:
    return evaluate_program.start(cfg, words)


def _words(overrides: Sequence[str]) -> list[str]:
    """Refuses what is no list of KEY=VALUE: flags are the programs' own."""
    if isinstance(overrides, str):
        raise UsageError(f"{overrides}: expected a list of words, for example [{overrides.split()[0]!r}]")
    for word in overrides:
        if not isinstance(word, str) or word.startswith("-"):
            raise UsageError(f"{word}: expected KEY=VALUE, for example 'task=lung'; flags are for the programs")
    return list(overrides)


def _run(name: str, words: list[str], parse: Callable[[list[str]], Config], job: Callable[[Config, list[str]], T]) -> T:
    """Runs ``job`` on the config that the words make; the process is afterwards as it was before."""
    if rank_environment.place().ranks > 1:
        raise UsageError(f"lungseg.{name}: this process is one of several ranks; use {' '.join(program(name))}")
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise UserError(f"lungseg.{name}: another run of this process is at work; wait for its end")
    try:
        with repeated_by([*program(name), *words]), _as_it_was(name, words):
            return job(_parsed(name, words, parse), words)
    except BaseException as error:
        STARTED.shut()
        if isinstance(error, UserError):  # of any other error a debugger wants to see the frames
            _let_go(error)
        raise
    finally:
        _ONE_AT_A_TIME.release()


def _parsed(name: str, words: list[str], parse: Callable[[list[str]], Config]) -> Config:
    try:
        return parse(words)
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, name, words) from None


@contextlib.contextmanager
def _as_it_was(name: str, words: list[str]) -> Iterator[None]:
    """Puts back what a run changes for the whole process. Meanwhile its command line is the one that does the same."""
    environment, argv, hydra = dict(os.environ), list(sys.argv), GlobalHydra.instance().hydra
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    sys.argv[:] = [f"{name}.py", *words]
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        sys.argv[:] = argv
        GlobalHydra.instance().hydra = hydra
        os.environ.clear()
        os.environ.update(environment)
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])


def _let_go(error: BaseException) -> None:
    """Frees what the frames of an error hold, a GPU's memory above all: a notebook keeps its last error."""
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__
    gc.collect()  # a trainer and its loaders hold each other
