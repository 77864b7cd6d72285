import numpy as np
import pytest

from lungseg.data.visualize.overlay import (
    HIT,
    INVENTED,
    MISSED,
    PANEL,
    PREDICTION,
    REFERENCE,
    Overlay,
    draw_case,
    draw_sheet,
)


def overlay(shape=(PANEL, PANEL), k=1, **changes):
    reference = np.zeros((k, *shape), bool)
    reference[:, 60:200, 60:200] = True
    prediction = np.zeros((k, *shape), bool)
    prediction[:, 60:200, 120:260] = True
    values = {"case_id": "c1", "label": "Normal", "image": np.full(shape, 100, np.uint8), "reference": reference}
    values |= {"prediction": prediction, "dice": {f"r{n}": 0.5 for n in range(k)}}
    return Overlay(**(values | changes))


def nearest(pixel):
    """The palette's colour that a blended pixel is most like in hue."""
    palette = {"hit": HIT, "missed": MISSED, "invented": INVENTED}
    chroma = pixel.astype(float) - pixel.mean()
    scores = {}
    for name, colour in palette.items():
        c = np.array(colour, float) - np.mean(colour)
        scores[name] = chroma @ c / (np.linalg.norm(c) * np.linalg.norm(chroma))
    return max(scores, key=scores.get)


def test_errors_are_coloured_by_kind():
    strip = draw_case(overlay())
    errors = strip[-PANEL:, -PANEL - 2 :]
    assert nearest(errors[130, 90]) == "missed"
    assert nearest(errors[130, 160]) == "hit"
    assert nearest(errors[130, 230]) == "invented"
    assert np.ptp(errors[20, 20].astype(int)) == 0  # background stays grey


def test_both_contours_are_there_in_their_own_colours():
    middle = draw_case(overlay())[-PANEL:, PANEL + 4 : 2 * PANEL + 4].reshape(-1, 3).astype(int)
    for colour in (REFERENCE, PREDICTION):
        assert (np.abs(middle - colour).sum(1) < 40).sum() > 100


@pytest.mark.parametrize("shape", [(100, 100), (900, 500), (300, 700)])
def test_any_shape_and_number_of_regions_makes_a_strip_of_panels(shape):
    strip = draw_case(overlay(shape, 2, reference=np.zeros((2, *shape), bool), prediction=np.ones((2, *shape), bool)))
    assert strip.shape[1] == 5 * (PANEL + 4)
    assert strip.dtype == np.uint8


def test_caption_says_dice_or_false_alarm():
    empty = np.zeros((1, PANEL, PANEL), bool)
    assert overlay().caption == "c1 · Normal · r0 Dice 0.500"
    assert overlay(reference=empty).caption == "c1 · Normal · no r0, false alarm"
    assert overlay(reference=empty, prediction=empty).caption == "c1 · Normal · no r0, none found"


def test_a_sheet_stacks_strips_of_different_widths():
    sheet = draw_sheet([overlay(), overlay(k=2)], "title")
    assert sheet.shape[1] == 5 * (PANEL + 4)
    assert sheet.shape[0] > 2 * PANEL
