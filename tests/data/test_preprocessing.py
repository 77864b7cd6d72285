import numpy as np
import pytest
import torch

from lungseg.data.case import Case
from lungseg.data.preprocessing import Box, Preprocessing
from lungseg.data.sources import phantom


@pytest.fixture(scope="module")
def case():
    return phantom.cases(count=3, pixels=64)[0]


def wide(case, height, width):
    """The same picture stretched to another shape."""
    import cv2

    class Stretched:
        def __init__(self, picture):
            self.picture = picture

        def read(self):
            return cv2.resize(self.picture.read(), (width, height), interpolation=cv2.INTER_NEAREST)

    masks = {region: Stretched(picture) for region, picture in case.masks.items()}
    return Case(id=case.id, image=Stretched(case.image), masks=masks, patient="p", label="x")


@pytest.mark.parametrize("shape", [(64, 64), (90, 64), (64, 100)])
@pytest.mark.parametrize("aspect", ["squash", "pad"])
@pytest.mark.parametrize("box", [None, Box(10, 5, 40, 50)])
def test_what_the_net_sees_goes_back_to_where_it_was(case, shape, aspect, box):
    case = wide(case, *shape)
    how = Preprocessing(96, aspect=aspect, boxes={case.id: box} if box else {})
    _, masks = how.case(case, ["lung"])
    assert masks.shape == (1, 96, 96)
    there = case.masks["lung"].read() > 0
    expected = np.zeros_like(there)
    area = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)) if box else ...
    expected[area] = there[area]
    if aspect == "pad" and box:
        widened = how.box(case.id, shape)
        assert widened.height == widened.width == 50
        expected[5:55, 5:55] = there[5:55, 5:55]
    back = how.back(masks.astype(np.float32), case.id, shape)[0] >= 0.5
    assert back.shape == shape
    assert 2 * (back & expected).sum() / (back.sum() + expected.sum()) > 0.96
    assert not back[~_near(expected)].any()


def _near(mask):
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def test_padding_keeps_proportions_and_squashing_does_not():
    square = np.zeros((50, 100), np.uint8)
    square[10:40, 35:65] = 255
    for aspect, ratio in (("pad", 1.0), ("squash", 0.5)):
        seen = Preprocessing(64, aspect=aspect).image("a", square) > 127
        height, width = np.ptp(np.flatnonzero(seen.any(1))) + 1, np.ptp(np.flatnonzero(seen.any(0))) + 1
        assert width / height == pytest.approx(ratio, rel=0.1)


def test_a_box_beyond_the_edge_is_black_there():
    image = np.full((20, 30), 200, np.uint8)
    cut = Box(-5, 20, 40, 20).cut(image)
    assert cut.shape == (40, 20)
    assert (cut[5:25, :10] == 200).all()
    assert cut.sum() == 200 * 20 * 10
    back = Box(-5, 20, 40, 20).put_back(np.ones((1, 40, 20), np.float32), (20, 30))
    assert back.sum() == 20 * 10
    assert back[0, :, 20:].all()


def test_clahe_changes_contrast_and_not_masks(case):
    plain, clahe = Preprocessing(48).case(case, ["lung"]), Preprocessing(48, clahe=True).case(case, ["lung"])
    assert clahe[0].std() != plain[0].std()
    assert np.array_equal(plain[1], clahe[1])


def test_normalisation_is_the_encoders_the_images_own_or_the_data_sets():
    image = np.array([[0, 255]], np.uint8)
    assert torch.allclose(Preprocessing(32).tensor(image), torch.tensor([[[-0.449 / 0.226, 0.551 / 0.226]]]))
    own = Preprocessing(32, normalise=None).tensor(image)
    assert own.mean() == pytest.approx(0, abs=1e-6)
    assert own.std(correction=0) == pytest.approx(1)
    assert Preprocessing(32, normalise=None).tensor(np.full((4, 4), 7, np.uint8)).abs().max() < 1e-4
    given = Preprocessing(32, normalise=(0.5, 0.25)).tensor(image)
    assert given.flatten().tolist() == [-2, 2]
