"""How well a predicted measurement agrees with the reference: its bias and spread, not its correlation alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lungseg.metrics.stats.bootstrap import mean_interval
from lungseg.metrics.stats.patient_weights import Floats


@dataclass(frozen=True, slots=True)
class Agreement:
    """Predicted minus reference, in the units of the measurement.

    ``bias``: mean, with its 95% interval over patients. ``lower_limit``, ``upper_limit``: bias -/+ 1.96 SD of single
    differences, between which 95% of them lie if they are normal. ``concordance``: Lin's coefficient, 1 only on the
    line of equality. Correlations and limits are NaN below three cases, correlations also where a side is constant.
    """

    bias: float
    bias_low: float
    bias_high: float
    lower_limit: float
    upper_limit: float
    mean_absolute_error: float
    pearson: float
    spearman: float
    concordance: float
    cases: int


def bland_altman(
    reference: Floats, predicted: Floats, patients: Sequence[str], *, resamples: int = 2000, seed: int = 0
) -> Agreement:
    """[N] twice; cases with NaN on either side are left out, so compare ``cases`` with N."""
    there = ~(np.isnan(reference) | np.isnan(predicted))
    truth, told = reference[there], predicted[there]
    if not len(truth):
        return Agreement(*(float("nan"),) * 9, cases=0)
    differences = told - truth
    bias = float(differences.mean())
    low, high = mean_interval(differences, np.asarray(patients)[there].tolist(), resamples=resamples, seed=seed)
    reach = 1.96 * float(differences.std(ddof=1)) if len(truth) > 2 else float("nan")
    error = float(np.abs(differences).mean())
    return Agreement(bias, low, high, bias - reach, bias + reach, error, *_correlations(truth, told), len(truth))


def _correlations(truth: Floats, told: Floats) -> tuple[float, float, float]:
    """Pearson's, Spearman's and Lin's."""
    if len(truth) < 3 or min(_variation(truth), _variation(told)) < 1e-12:
        return float("nan"), float("nan"), float("nan")
    shared = np.mean((truth - truth.mean()) * (told - told.mean()))
    concordance = 2 * shared / (truth.var() + told.var() + (truth.mean() - told.mean()) ** 2)
    pearson = np.clip(shared / (truth.std() * told.std()), -1, 1)
    return float(pearson), spearman(truth, told), float(concordance)


def spearman(one: Floats, other: Floats) -> float:
    """The correlation of ranks; equal values share their mean rank. NaN where a side is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def _variation(values: Floats) -> float:
    """Range over the largest value, so that the noise of floating point counts as none; 0 where all are 0."""
    return float(np.ptp(values) / max(np.abs(values).max(), np.finfo(np.float64).tiny))
