import numpy as np
import pytest

from lungseg.data.case import Case
from lungseg.evaluation.analyses.masking import MARGIN, chest_alone, organ_alone, organ_gone


class _Picture:
    def __init__(self, pixels):
        self.pixels = pixels

    def read(self):
        return self.pixels


@pytest.fixture
def film():
    """Noise, with two lungs; and how far every pixel is from these."""
    image = np.random.default_rng(0).integers(0, 255, (100, 200), dtype=np.uint8)
    lungs = np.zeros((100, 200), bool)
    lungs[30:80, 40:80] = lungs[30:80, 110:150] = True
    rows, columns = np.nonzero(lungs)
    yy, xx = np.mgrid[:100, :200]
    apart = np.full(lungs.shape, np.inf)
    for box in ((30, 79, 40, 79), (30, 79, 110, 149)):
        down = np.maximum.reduce([box[0] - yy, yy - box[1], 0 * yy])
        right = np.maximum.reduce([box[2] - xx, xx - box[3], 0 * xx])
        apart = np.minimum(apart, np.hypot(down, right))
    assert apart[rows, columns].max() == 0
    masks = {"lung": _Picture(lungs.astype(np.uint8))}
    return Case(id="a", image=_Picture(image), masks=masks, patient="p", label="x"), image, apart


def test_outside_of_the_lungs_and_a_margin_no_pixel_tells_anything(film):
    case, image, apart = film
    changed = organ_alone(case, image, "lung")
    reach = MARGIN * 200
    grey = round(image.mean())
    assert np.array_equal(changed[apart <= reach - 1], image[apart <= reach - 1])
    assert (changed[apart > reach + 1] == grey).all()
    assert changed.dtype == np.uint8


def test_without_the_lungs_it_is_the_other_way_round(film):
    case, image, _ = film
    alone, gone = organ_alone(case, image, "lung"), organ_gone(case, image, "lung")
    grey = round(image.mean())
    assert ((alone == image) | (gone == image)).all()
    assert ((alone == grey) | (gone == grey)).all()
    assert (gone[30:80, 40:80] == grey).all()


def test_a_net_that_predicts_lungs_is_not_given_their_outline(film):
    case, image, _ = film
    changed = chest_alone(case, image, "lung")
    kept = changed == image
    rows, columns = np.nonzero(kept & (image != round(image.mean())))
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    assert kept[box].all()
    assert 20 < box[0].start < 30 < 80 < box[0].stop < 90
    assert 25 < box[1].start < 40 < 150 < box[1].stop < 165
    outside = np.ones(image.shape, bool)
    outside[box] = False
    assert (changed[outside] == round(image.mean())).all()


def test_the_image_itself_is_left_as_it_was(film):
    case, image, _ = film
    before = image.copy()
    for change in (organ_alone, organ_gone, chest_alone):
        change(case, image, "lung")
    assert np.array_equal(image, before)
