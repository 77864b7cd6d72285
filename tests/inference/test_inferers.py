import pytest
import torch

from lungseg.inference.inferers import Slices, WholeImages


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_slices_are_given_with_their_neighbours_whatever_the_batches(batch_size):
    volume = torch.rand(7, 5, 6)
    (found,) = Slices(1, batch_size)(lambda x: x, [volume], torch.device("cpu"))
    assert found.shape == (3, 7, 5, 6)
    assert torch.equal(found[1], volume)
    assert torch.equal(found[0], volume[[0, 0, 1, 2, 3, 4, 5]])
    assert torch.equal(found[2], volume[[1, 2, 3, 4, 5, 6, 6]])


def test_images_are_given_at_once():
    images = [torch.rand(1, 4, 4) for _ in range(3)]
    found = list(WholeImages()(lambda x: x.repeat(1, 2, 1, 1), images, torch.device("cpu")))
    assert [tuple(one.shape) for one in found] == [(2, 4, 4)] * 3
    assert torch.equal(found[2][1], images[2][0])
