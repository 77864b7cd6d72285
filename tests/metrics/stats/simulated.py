"""Scores whose truth is known."""

import numpy as np

from lungseg.metrics.stats.bootstrap import mean_intervals
from lungseg.metrics.stats.multiple_testing import SURE, sure
from lungseg.metrics.stats.permutation import p_of_pairs


def patients_of(generator, patients, most=3):
    """Names [N] of patients with one to ``most`` images each, and which patient each image is of."""
    owner = np.arange(patients).repeat(generator.integers(1, most + 1, patients))
    return owner.astype(str).tolist(), owner


def dice(generator, owner, columns, good=8.0, bad=2.0, steadiness=30.0):
    """[N, columns]: each patient has a skewed level, beta(good, bad), around which its images lie."""
    level = generator.beta(good, bad, (owner.max() + 1, columns))[owner]
    level = np.clip(level, 1e-3, 1 - 1e-3)
    return generator.beta(level * steadiness, (1 - level) * steadiness)


def equal_models(generator, patients, models, studies):
    """Scores [N, studies * models] of models that are equal: the same skewed noise about what a case is worth."""
    names, owner = patients_of(generator, patients)
    worth = dice(generator, owner, studies).repeat(models, axis=1)
    return 0.7 * worth + 0.3 * dice(generator, owner, studies * models), names


def falsely_sure(models, patients, studies, adjust, batches=4):
    """Share of ``studies`` of equal models in which the one with the highest mean is surely better than any other.

    ``adjust`` corrects the p-values [models, models] of a study.
    """
    generator, flagged = np.random.default_rng(1000 * models + patients), 0
    for batch in range(batches):
        values, names = equal_models(generator, patients, models, studies // batches)
        upper = np.triu_indices(models, 1)
        starts = np.arange(0, values.shape[1], models)
        left, right = ((starts[:, None] + side).ravel() for side in upper)
        p = p_of_pairs(values, left, right, names, resamples=1999, seed=batch).reshape(len(starts), -1)
        suspects = []
        for study in np.flatnonzero(p.min(axis=1) < SURE):
            square = np.full((models, models), np.nan)
            square[upper] = square.T[upper] = p[study]
            best = values[:, starts[study] : starts[study] + models].mean(axis=0).argmax()
            for other, adjusted in enumerate(adjust(square, best)):
                if adjusted < SURE:
                    suspects.append((study, starts[study] + best, starts[study] + other, adjusted))
        if suspects:
            study, best, other, adjusted = (np.array(column) for column in zip(*suspects, strict=True))
            low, high = mean_intervals(values[:, best] - values[:, other], names, resamples=1999, seed=batch)
            flagged += len(set(study[sure(adjusted, low, high)].tolist()))
    return flagged / studies
