import pytest
import torch

from lungseg.inference.inferers import Patches, SlicePatches, Slices, WholeImages


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


@pytest.mark.parametrize("shape", [(9, 20, 33), (2, 5, 6), (8, 16, 16)])
def test_volumes_of_any_size_come_back_from_windows_one_by_one(shape):
    volumes = [torch.rand(*shape), torch.rand(3, 40, 7)]
    seen = []

    def net(windows):
        seen.append(tuple(windows.shape))
        return torch.cat([windows, -windows], dim=1)

    found = list(Patches((8, 16, 16), 2, overlap=0.25)(net, volumes, torch.device("cpu")))
    assert {size[1:] for size in seen} == {(1, 8, 16, 16)}
    assert max(size[0] for size in seen) <= 2
    for volume, outputs in zip(volumes, found, strict=True):
        torch.testing.assert_close(outputs, torch.stack([volume, -volume]))


def test_slices_are_seen_window_by_window_with_their_neighbours():
    volume = torch.rand(4, 20, 24)
    (found,) = SlicePatches(1, (1, 16, 16), 2)(lambda x: x, [volume], torch.device("cpu"))
    torch.testing.assert_close(found, torch.stack([volume[[0, 0, 1, 2]], volume, volume[[1, 2, 3, 3]]]))


def test_more_overlap_takes_more_windows():
    counted = {}
    for overlap in (0.0, 0.5, 0.75):
        numbers = []

        def net(windows, numbers=numbers):
            numbers.append(len(windows))
            return windows

        list(Patches((8, 8, 8), 4, overlap)(net, [torch.rand(16, 16, 16)], torch.device("cpu")))
        counted[overlap] = sum(numbers)
    assert counted == {0.0: 8, 0.5: 27, 0.75: 125}
