"""The net for volumes: any size, strides that follow the voxels, weights of another run."""

import pytest
import torch

from lungseg.core.errors import UserError
from lungseg.models import unet3d
from lungseg.models.unet3d import auto_strides


@pytest.mark.parametrize("shape", [(5, 17, 30), (8, 32, 32), (3, 9, 33)])
def test_volumes_of_any_size_go_in_and_come_out(shape):
    net = unet3d.build(in_channels=1, regions=2, width=4, depth=2, strides=[[1, 2, 2], [2, 2, 2]]).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 1, *shape)).shape == (1, 2, *shape)


@pytest.mark.parametrize("residual", [False, True])
def test_every_parameter_gets_a_gradient(residual):
    net = unet3d.build(in_channels=3, regions=1, width=4, depth=3, residual=residual)
    net(torch.randn(2, 3, 16, 16, 16)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_what_goes_into_a_residual_block_comes_out_of_it():
    """With convolutions that say nothing, a block of equal channels passes on what is positive."""
    block = unet3d.ResidualBlock(2, 2)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    volume = torch.rand(1, 2, 4, 4, 4)
    assert torch.equal(block(volume), volume)


def test_one_volume_of_few_voxels_is_learned_from():
    """Instance norm, unlike batch norm, works at a batch of one."""
    torch.manual_seed(0)
    net = unet3d.build(in_channels=1, regions=1, width=4, depth=2)
    volume = torch.rand(1, 1, 8, 16, 16)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(volume), (volume > 0.5).float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_what_lies_far_away_is_seen_and_only_by_the_strides_of_its_axis():
    """A voxel changes outputs as far as the receptive field reaches: further in the plane, which is halved more."""
    net = unet3d.build(in_channels=1, regions=1, width=4, depth=2, strides=[[1, 2, 2], [1, 2, 2]]).eval()
    volume = torch.randn(1, 1, 33, 64, 64, requires_grad=True)
    net(volume)[0, 0, 16, 32, 32].backward()
    seen = (volume.grad[0, 0] != 0).numpy()
    reach = [seen.any(axis=other).sum() for other in ((1, 2), (0, 2))]
    assert reach[1] > reach[0] >= 5


@pytest.mark.parametrize(
    ("patch", "spacing", "expected"),
    [
        ((32, 96, 96), (5.0, 1.0, 1.0), [(1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2)]),
        ((64, 64, 64), (1.0, 1.0, 1.0), [(2, 2, 2)] * 4),
        ((4, 64, 64), (5.0, 2.5, 2.5), [(1, 2, 2), (1, 2, 2), (1, 2, 2), (1, 2, 2)]),
    ],
)
def test_voxels_grow_round(patch, spacing, expected):
    assert auto_strides(patch, spacing, 4) == expected


def test_no_axis_is_halved_to_nothing():
    for patch in ((1, 16, 16), (24, 40, 72), (7, 9, 11)):
        sides = list(patch)
        for step in auto_strides(patch, (3.0, 1.0, 1.0), 8):
            assert all(side % each == 0 for side, each in zip(sides, step, strict=True))
            sides = [side // each for side, each in zip(sides, step, strict=True)]
        assert all(now >= min(before, 4) for now, before in zip(sides, patch, strict=True))


def test_weights_of_one_channel_serve_more(tmp_path):
    first = unet3d.build(in_channels=1, regions=1, width=4, depth=1)
    torch.save({"state_dict": first.state_dict()}, tmp_path / "best.ckpt")
    weights = str(tmp_path / "best.ckpt")
    second = unet3d.build(in_channels=2, regions=1, width=4, depth=1, pretrained=True, weights=weights)
    volume = torch.rand(1, 1, 8, 8, 8)
    for mine, other in zip(first.encoder(volume), second.encoder(volume.repeat(1, 2, 1, 1, 1)), strict=True):
        torch.testing.assert_close(mine, other)


def test_weights_of_another_run_are_the_encoders(tmp_path):
    first = unet3d.build(in_channels=1, regions=1, width=4, depth=2)
    torch.save(
        {"state_dict": {f"net.{name}": value for name, value in first.state_dict().items()}}, tmp_path / "best.ckpt"
    )
    second = unet3d.build(
        in_channels=1, regions=2, width=4, depth=2, pretrained=True, weights=str(tmp_path / "best.ckpt")
    )
    assert all(
        torch.equal(value, second.encoder.state_dict()[name]) for name, value in first.encoder.state_dict().items()
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"pretrained": True}, r"pretrained=true: no weights are published for unet3d; give model\.weights="),
        ({"depth": 3, "strides": [[1, 2, 2]]}, r"model\.strides: 1 strides for model\.depth=3; expected one \[z,y,x\]"),
        ({"depth": 1, "strides": [[0, 2, 2]]}, r"model\.strides: \[0, 2, 2\] is no stride"),
    ],
)
def test_what_cannot_be_built_is_one_line(keys, message):
    with pytest.raises(UserError, match=f"^{message}"):
        unet3d.build(in_channels=1, regions=1, width=4, **keys)
