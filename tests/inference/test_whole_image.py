import numpy as np
import pytest
import torch
from torch import nn

from lungseg.core.errors import UserError
from lungseg.data.preprocessing import Preprocessing
from lungseg.data.sources import folder
from lungseg.inference.whole_image import Predictor
from tests.helpers import segmentation

LUNG = segmentation("lung")
CPU = torch.device("cpu")


class Bright(nn.Module):
    """The brightness, brighter to the left: not the same on a flipped image."""

    def forward(self, image):
        return torch.sigmoid(image + torch.linspace(1, -1, image.shape[-1]))


@pytest.fixture
def found(folder_data):
    cases = folder.cases(root=str(folder_data))

    def run(**options):
        how = Preprocessing(size=32)
        return list(Predictor(LUNG, Bright(), ["lung"], how, CPU, **options)(cases, show=False))

    return cases, run


def test_each_case_once_in_order_at_its_own_size(found):
    cases, run = found
    results = run(batch_size=5)
    assert [loaded.case.id for loaded, _ in results] == [case.id for case in cases]
    for loaded, prediction in results:
        image, reference, probabilities = loaded.image, loaded.masks, prediction.probabilities
        assert image.shape == (80, 96)
        assert reference.shape == probabilities.shape == (1, 80, 96)
        assert probabilities.dtype == np.float32
        assert probabilities[reference].mean() > probabilities[~reference].mean()


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 12}])
def test_batches_change_nothing(found, options):
    _, run = found
    for one, other in zip(run(batch_size=5), run(**options), strict=True):
        assert np.array_equal(one[1].probabilities, other[1].probabilities)


def test_flip_is_the_mean_of_both_views(found, folder_data):
    cases, run = found
    plain, both = run()[0][1].probabilities, run(tta="flip")[0][1].probabilities
    how = Preprocessing(size=80)
    ((_, wide),) = Predictor(LUNG, Bright(), ["lung"], how, CPU, tta="flip")(cases[:1], show=False)
    left, right = wide.probabilities[0, :, :48].mean(), wide.probabilities[0, :, 48:].mean()
    assert plain[0, :, :48].mean() > plain[0, :, 48:].mean() + 0.1
    assert abs(left - right) < 0.1
    assert not np.array_equal(plain, both)


def test_an_unknown_way_is_refused(found):
    _, run = found
    with pytest.raises(UserError, match="tta=turn: expected one of none, flip"):
        run(tta="turn")
