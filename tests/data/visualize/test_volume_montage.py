import numpy as np

from lungseg.core.prediction import Prediction
from lungseg.data.case import Case
from lungseg.data.loaded_case import LoadedCase
from lungseg.data.visualize.overlay import PANEL, Overlay, draw_sheet
from lungseg.data.visualize.volume_montage import SLICES, as_gray, flattened
from lungseg.tasks.base import Scoring
from tests.helpers import segmentation

TASK = segmentation("lung")


def volume(slices=20):
    """A random volume in Hounsfield units with a box of lung, predicted wrongly in three of its slices."""
    image = np.random.default_rng(0).integers(-1000, 400, (slices, 24, 30)).astype(np.int16)
    masks = np.zeros((1, *image.shape), np.bool_)
    masks[0, 3:17, 6:18, 5:25] = True
    found = masks.astype(np.float32)
    found[0, [z for z in (5, 9, 13) if z < slices], 6:12] = 0
    loaded = LoadedCase(Case(id="v", image=None, patient="p", label="CT"), image, masks)
    return loaded, Prediction("v", found, spacing=(5.0, 1.0, 1.0))


def test_a_volume_is_scored_and_drawn_as_a_montage_of_its_worst_slices():
    loaded, prediction = volume()
    scored = TASK.score_case(prediction, loaded, Scoring(unit="mm"))
    truth, found = loaded.masks[0], prediction.mask(0.5)[0]
    assert scored.values[0]["dice"] == 2 * (truth & found).sum() / (truth.sum() + found.sum())
    assert 0 < scored.values[0]["hd95"] <= 6.0  # millimetres: a whole slice is 5 mm away, and a row 1 mm
    drawn = TASK.draw_case(prediction, loaded, 0.5)
    assert drawn.image.shape == (2 * 24, 3 * 30)
    assert drawn.image.dtype == np.uint8
    wrong = (drawn.reference != drawn.prediction)[0]
    assert wrong.sum() == (truth != found).sum()  # all errors of the three slices are in the picture
    sheet = draw_sheet([drawn], "worst")
    assert sheet.shape[1] == 3 * (PANEL + 4)
    assert f"lung Dice {scored.values[0]['dice']:.3f}" in drawn.caption


def test_slices_stay_in_the_order_of_the_body_and_a_short_volume_is_shown_whole():
    loaded, prediction = volume(4)
    drawn = TASK.draw_case(prediction, loaded, 0.5)
    gray = as_gray(loaded.image)
    tiles = [drawn.image[top : top + 24, left : left + 30] for top in (0, 24) for left in (0, 30, 60)]
    assert all(np.array_equal(tile, one) for tile, one in zip(tiles, gray, strict=False))
    assert not tiles[4].any()
    assert len(tiles) == SLICES


def test_a_task_without_masks_draws_a_volume_from_its_middle():
    loaded, _ = volume()
    none = np.zeros((0, *loaded.image.shape), np.bool_)
    drawn = flattened(Overlay("v", "CT", loaded.image, none, none, {}, "error 0.1"))
    middle = as_gray(loaded.image)[7:13]
    assert np.array_equal(drawn.image[:24, :30], middle[0])
    assert np.array_equal(drawn.image[24:, 60:], middle[5])


def test_a_picture_stays_as_it_is():
    loaded, prediction = volume()
    flat = LoadedCase(loaded.case, as_gray(loaded.image)[10], loaded.masks[:, 10])
    drawn = TASK.draw_case(prediction.but(prediction.probabilities[:, 10]), flat, 0.5)
    assert np.array_equal(drawn.image, flat.image)
    assert flattened(drawn) is drawn
