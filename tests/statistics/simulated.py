"""Scores whose truth is known."""

import numpy as np


def patients_of(generator, patients, most=3):
    """Names [N] of patients with one to ``most`` images each, and which patient each image is of."""
    owner = np.arange(patients).repeat(generator.integers(1, most + 1, patients))
    return owner.astype(str).tolist(), owner


def dice(generator, owner, columns, good=8.0, bad=2.0, steadiness=30.0):
    """[N, columns]: each patient has a skewed level, beta(good, bad), around which its images lie."""
    level = generator.beta(good, bad, (owner.max() + 1, columns))[owner]
    level = np.clip(level, 1e-3, 1 - 1e-3)
    return generator.beta(level * steadiness, (1 - level) * steadiness)
