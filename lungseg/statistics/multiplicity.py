"""Many tests at once: p-values that account for how many there were."""

import numpy as np

from lungseg.statistics.cases import Floats


def holm(p: Floats) -> Floats:
    """Adjusted p-values [M] that bound the chance of one false alarm or more; NaN stays NaN and is not counted."""
    adjusted = np.array(p, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(adjusted))
    order = tested[np.argsort(adjusted[tested], kind="stable")]
    times = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * times), 1)
    return adjusted
