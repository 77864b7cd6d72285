"""Intervals on real scores, whose tails and numbers of images nobody here made."""

import numpy as np
import pytest

from lungseg.metrics.stats.bootstrap import mean_intervals
from lungseg.metrics.stats.patient_weights import ENOUGH, effective_patients, weighted
from tests.metrics.stats.real_scores import FOLDER, tables

TABLES = tables()
pytestmark = pytest.mark.skipif(
    not TABLES, reason=f"no real scores at {FOLDER}: set LUNGSEG_SCORES to the folder that has them"
)


@pytest.mark.parametrize("weight", ["images", "patients"])
@pytest.mark.parametrize("name", TABLES)
def test_an_interval_holds_the_mean_of_the_table_that_its_patients_are_drawn_from(name, weight):
    """400 samples of 60 patients: the standard error is a point, and 91 to 98.5% are three of them below and above."""
    table, generator = TABLES[name], np.random.default_rng(0)
    truth = weighted(table.values, table.patients, weight)[0].mean(axis=0)
    hits, effective = [], []
    for repetition in range(400):
        values, names = table.sample(generator, 60)
        low, high = mean_intervals(*weighted(values, names, weight), resamples=500, seed=repetition)
        hits.append((low <= truth) & (truth <= high))
        effective.append(effective_patients(values[:, 0], names, weight))
    assert np.mean(effective) > ENOUGH
    share = dict(zip(table.columns, np.mean(hits, axis=0), strict=True))
    assert all(0.91 <= one <= 0.985 for one in share.values()), share


def test_the_mean_over_images_is_another_than_that_over_patients():
    table = TABLES["QaTa-COV19"]
    low, high = mean_intervals(table.values, table.patients)
    people = weighted(table.values, table.patients, "patients")[0].mean(axis=0)
    assert not (low[0] <= people[0] <= high[0])  # its Dice
