"""One case -> all its numbers: overlap, surfaces, lesions, severity, the error of its probabilities."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lungseg.core.arrays import Mask
from lungseg.core.errors import UserError
from lungseg.core.prediction import Prediction
from lungseg.data.case import Case
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.volumes.reading import read_region
from lungseg.metrics import calibration
from lungseg.metrics.lesions import detection_f1, lesions, severity
from lungseg.metrics.surface import assd, hd95, nsd, surface_distances
from lungseg.tasks.regions import Regions
from lungseg.tasks.segmentation.case_table import Judged, count
from lungseg.tasks.segmentation.columns import SIZES, nsd_name

log = logging.getLogger("lungseg")

Values = dict[str, float]


@dataclass(frozen=True)
class Scorer:
    """Scores cases; distances are in ``unit``: mm where every prediction says how large its pixels are, else px."""

    regions: Regions
    unit: str = "px"
    tolerances: Sequence[float] = (1.0, 2.0, 4.0)
    _unread: set[str] = field(default_factory=set)  # cases whose organ mask, which no task needs here, is not readable

    def overlap(self, prediction: Prediction, loaded: LoadedCase, threshold: float | Sequence[float] = 0.5) -> Judged:
        """Counts the pixels alone."""
        return Judged(loaded.case, count(prediction.mask(threshold), loaded.masks))

    def whole(self, prediction: Prediction, loaded: LoadedCase, threshold: float | Sequence[float]) -> Judged:
        """Measures everything, with one threshold or each region's own."""
        found, reference = prediction.mask(threshold), loaded.masks
        known = prediction.spacing is not None and self.unit != "px"
        spacing = tuple(prediction.spacing or ()) if known else (1.0,) * len(prediction.shape)
        further: list[Values] = []
        for k, region in enumerate(self.regions.names):
            values = surfaces(found[k], reference[k], spacing, self.tolerances)
            values["brier"] = brier(prediction.probabilities[k], reference[k])
            if region in self.regions.lesions:
                values |= lesion_values(found[k], reference[k])
                values |= self._severity(loaded.case, k, found, reference)
            further.append(values)
        sure = [calibration.bins(*pair) for pair in zip(prediction.probabilities, reference, strict=True)]
        return Judged(loaded.case, count(found, reference), further, sure)

    def _severity(self, case: Case, k: int, prediction: Mask, reference: Mask) -> Values:
        """Measures within the organ that was predicted, where the net predicts it, else within the annotated one."""
        organ = self.regions.lesions[self.regions.names[k]]
        place = self.regions.index(organ)
        if place is not None:
            return severities(prediction[k], reference[k], reference[place], prediction[place])
        annotated = self._organ(case, organ, reference.shape[1:])
        if annotated is None:
            return dict.fromkeys(("severity_reference", "severity_predicted"), math.nan)
        return severities(prediction[k], reference[k], annotated, annotated)

    def _organ(self, case: Case, organ: str, shape: tuple[int, ...]) -> Mask | None:
        """Reads the annotated one; a mask that the task itself does not need stops nothing."""
        if organ not in case.masks:
            return None
        try:
            return read_region(case, organ, shape)
        except UserError as error:
            if not self._unread:
                log.info("the infected share of the lungs is not measured where their mask is not readable: %s", error)
            self._unread.add(case.id)
            return None


def surfaces(prediction: Mask, reference: Mask, spacing: Sequence[float], tolerances: Sequence[float]) -> Values:
    """``hd95``, ``assd``, ``nsd_<tolerance>`` of [H, W]; NaN where the reference is empty.

    Where nothing was predicted, the distances are the image's diagonal: the worst that could be, so that a case that
    was missed does not drop out of the mean.
    """
    names = ["hd95", "assd", *(nsd_name(tolerance) for tolerance in tolerances)]
    if not reference.any():
        return dict.fromkeys(names, math.nan)
    found = surface_distances(prediction, reference, spacing)
    diagonal = math.hypot(*(side * size for side, size in zip(reference.shape, spacing, strict=True)))
    values = [min(hd95(found), diagonal), min(assd(found), diagonal)]
    values += [nsd(found, tolerance) for tolerance in tolerances]
    return dict(zip(names, values, strict=True))


def lesion_values(prediction: Mask, reference: Mask) -> Values:
    """How many there are, were found, and were predicted, and the first two by size as a share of the image.

    ``lesion_f1`` is NaN where there is none.
    """
    found = lesions(prediction, reference)
    values: Values = {
        "lesions": found.reference,
        "lesions_predicted": found.predicted,
        "lesions_found": found.matched,
        "lesion_f1": detection_f1(found),
    }
    share = found.sizes / reference.size
    for name, (least, most) in SIZES.items():
        these = (share >= least) & (share < most)
        values |= {f"lesions_{name}": int(these.sum()), f"lesions_found_{name}": int(found.found[these].sum())}
    return values


def severities(prediction: Mask, reference: Mask, lungs: Mask, predicted_lungs: Mask) -> Values:
    """The infected share of the lungs, in the reference and as predicted; NaN where there are no lungs.

    Lungs that are there and were not found at all have no infection that was found.
    """
    truth, told = severity(reference, lungs), severity(prediction, predicted_lungs)
    unseen = not math.isnan(truth) and math.isnan(told)
    return {"severity_reference": truth, "severity_predicted": 0.0 if unseen else told}


def brier(probabilities: NDArray[np.float32], reference: Mask) -> float:
    """The mean squared error of [H, W] probabilities: 0 is perfect, 0.25 is a coin."""
    return float(np.mean((probabilities.astype(np.float64) - reference) ** 2))
