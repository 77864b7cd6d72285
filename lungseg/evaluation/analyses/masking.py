"""Images without what is outside the lungs, or without the lungs: to see where a net looks."""

import cv2
import numpy as np

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.io.image import read_mask
from lungseg.data.preprocessing import Box
from lungseg.inference.lung_boxes import around

MARGIN = 0.03  # of the image's longer side, around the lungs: their outline stays in sight


def organ_alone(case: Case, image: Gray, organ: str) -> Gray:
    """Blanks all outside of the lungs and a margin: as grey as the image on average."""
    return _blanked(image, ~_widened(_annotated(case, image, organ)))


def chest_alone(case: Case, image: Gray, organ: str) -> Gray:
    """Blanks all outside of the rectangle around the lungs: a blank that followed their outline would give it away."""
    box = around(_annotated(case, image, organ))
    assert isinstance(box, Box)
    outside = np.ones(image.shape, np.bool_)
    outside[box.top : box.top + box.height, box.left : box.left + box.width] = False
    return _blanked(image, outside)


def organ_gone(case: Case, image: Gray, organ: str) -> Gray:
    """Blanks the lungs and a margin."""
    return _blanked(image, _widened(_annotated(case, image, organ)))


def _annotated(case: Case, image: Gray, organ: str) -> Mask:
    return read_mask(case.masks[organ], case.image, image.shape)


def _widened(organ: Mask) -> Mask:
    reach = max(round(MARGIN * max(organ.shape)), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(organ.astype(np.uint8), kernel) > 0


def _blanked(image: Gray, where: Mask) -> Gray:
    return np.where(where, np.uint8(round(float(image.mean()))), image)
