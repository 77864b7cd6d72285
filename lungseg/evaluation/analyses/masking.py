"""Images without what is outside the lungs, or without the lungs: to see where a net looks."""

import cv2
import numpy as np

from lungseg.core.arrays import Gray, Mask
from lungseg.data.case import Case
from lungseg.data.io.image import read_mask
from lungseg.inference.lung_cropper import around

MARGIN = 0.03  # of the image's longer side, around the lungs: their outline stays in sight


def lungs_alone(case: Case, image: Gray) -> Gray:
    """Outside of the lungs and a margin all is as grey as the image on average."""
    return _blanked(image, ~_widened(_lungs(case, image)))


def chest_alone(case: Case, image: Gray) -> Gray:
    """Outside of the rectangle around the lungs: a blank that followed their outline would give it away."""
    box = around(_lungs(case, image))
    outside = np.ones(image.shape, np.bool_)
    outside[box.top : box.top + box.height, box.left : box.left + box.width] = False
    return _blanked(image, outside)


def lungs_gone(case: Case, image: Gray) -> Gray:
    """The lungs and a margin are blank."""
    return _blanked(image, _widened(_lungs(case, image)))


def _lungs(case: Case, image: Gray) -> Mask:
    return read_mask(case.masks["lung"], case.image, image.shape)


def _widened(lungs: Mask) -> Mask:
    reach = max(round(MARGIN * max(lungs.shape)), 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(lungs.astype(np.uint8), kernel) > 0


def _blanked(image: Gray, where: Mask) -> Gray:
    return np.where(where, np.uint8(round(float(image.mean()))), image)
