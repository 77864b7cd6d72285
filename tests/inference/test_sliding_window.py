"""Sliding windows against MONAI's."""

import pytest
import torch
from monai.inferers import sliding_window_inference

from lungseg.inference.sliding_window import sliding_window, windows


class Net(torch.nn.Module):
    """Says other things of a voxel by where it lies in the window, so that a wrong weight shows."""

    def forward(self, volume):
        ramp = torch.linspace(0, 1, volume.shape[-1])
        return torch.cat([volume * ramp, volume.cumsum(-3) / 10], dim=1)


@pytest.mark.parametrize(("shape", "patch"), [((20, 40, 33), (8, 16, 16)), ((8, 16, 16), (8, 16, 16)),
                                              ((9, 17, 50), (8, 16, 24))])  # fmt: skip
@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.75])
def test_windows_are_blended_as_monai_does(shape, patch, overlap):
    volume = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    found = sliding_window(Net(), volume, patch, batch_size=3, overlap=overlap)
    expected = sliding_window_inference(volume[None], patch, 3, Net(), overlap=overlap, mode="gaussian")[0]
    assert found.shape == (2, *shape)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_volume_smaller_than_a_window_comes_back_at_its_own_size():
    volume = torch.rand(1, 5, 40, 10)
    found = sliding_window(lambda x: x, volume, (8, 16, 16), batch_size=2)
    torch.testing.assert_close(found, volume)


def test_every_voxel_is_in_a_window_of_full_size():
    covered = torch.zeros(21, 35, 40)
    for z, y, x in windows(covered.shape, (8, 16, 16), 0.5):
        assert covered[z, y, x].shape == (8, 16, 16)
        covered[z, y, x] += 1
    assert covered.min() >= 1
