"""Optuna's samplers and pruners by the names that a study gives them."""

import warnings
import zlib

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from lungseg.sweep.search.cmaes import SafeCmaEsSampler
from lungseg.sweep.spec.settings import Settings

FIRST_EPOCHS = 2  # that every trial gets


def make_sampler(settings: Settings, worker: str) -> BaseSampler:
    """Another seed for each worker, or all would draw the same; and for each time that one is started again."""
    seed = (settings.sampler_seed + zlib.crc32(worker.encode())) % 2**32
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if settings.sampler == "cmaes":
        return SafeCmaEsSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of group, which keeps conditional parameters apart
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True, group=True)


def make_pruner(settings: Settings) -> BasePruner:
    """``asha`` is successive halving without waiting for others; ``hyperband`` several such, of other patience."""
    if settings.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=FIRST_EPOCHS)
    if settings.pruner == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=FIRST_EPOCHS, reduction_factor=3)
    if settings.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=FIRST_EPOCHS, reduction_factor=3)
    return optuna.pruners.NopPruner()
