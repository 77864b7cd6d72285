"""A U-Net for volumes, after nnU-Net's plain and residual ones: instance norm, strides that follow the voxels' shape.

Our own lines, since importing MONAI's takes four times as long as importing torch.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from lungseg.core.errors import UserError
from lungseg.core.net_size import can_be_halved
from lungseg.models.base import Net
from lungseg.models.weights import check_flags, load_encoder

Stride = tuple[int, int, int]

WIDEST = 320  # channels at most, as nnU-Net has it
ROUND = 2.0  # an axis whose voxels are so much longer than the shortest is not halved


class Block(nn.Sequential):
    """Two 3x3x3 convolutions, the first with ``stride``, each with instance norm and leaky ReLU."""

    def __init__(self, inward: int, outward: int, stride: Stride = (1, 1, 1)) -> None:
        layers: list[nn.Module] = []
        for channels, step in ((inward, stride), (outward, (1, 1, 1))):
            layers += [
                nn.Conv3d(channels, outward, 3, step, padding=1, bias=False),
                nn.InstanceNorm3d(outward, affine=True),
                nn.LeakyReLU(0.01, inplace=True),
            ]
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """The same, with its input added before the last leaky ReLU; a 1x1x1 convolution where the two differ in shape."""

    def __init__(self, inward: int, outward: int, stride: Stride = (1, 1, 1)) -> None:
        super().__init__()
        *inner, self.last = Block(inward, outward, stride)
        self.inner = nn.Sequential(*inner)
        same = inward == outward and stride == (1, 1, 1)
        self.skip = nn.Identity() if same else nn.Conv3d(inward, outward, 1, stride, bias=False)

    def forward(self, volume: Tensor) -> Tensor:
        summed: Tensor = self.last(self.inner(volume) + self.skip(volume))
        return summed


class Encoder(nn.Module):
    """Volume [B, C, Z, Y, X] to features, finest first, each as much smaller than the last as its stride says."""

    def __init__(self, in_channels: int, widths: Sequence[int], strides: Sequence[Stride], residual: bool) -> None:
        super().__init__()
        block = ResidualBlock if residual else Block
        channels = pairwise([in_channels, *widths])
        self.blocks = nn.ModuleList(
            block(a, b, stride) for (a, b), stride in zip(channels, [(1, 1, 1), *strides], strict=True)
        )

    def forward(self, volume: Tensor) -> list[Tensor]:
        features = [volume]
        for block in self.blocks:
            features.append(block(features[-1]))
        return features[1:]


class UNet3d(nn.Module):
    """Volume [B, C, Z, Y, X] to logits [B, K, Z, Y, X]; sides must be multiples of the product of the strides.

    ``residual`` is about the encoder alone, as in nnU-Net's residual presets.
    """

    def __init__(
        self, in_channels: int, regions: int, widths: Sequence[int], strides: Sequence[Stride], residual: bool = False
    ) -> None:
        super().__init__()
        self.encoder = Encoder(in_channels, widths, strides, residual)
        levels = list(zip(pairwise(widths), strides, strict=True))[::-1]
        self.ups = nn.ModuleList(nn.ConvTranspose3d(below, above, step, step) for (above, below), step in levels)
        self.blocks = nn.ModuleList(Block(2 * above, above) for (above, _), _ in levels)
        self.head = nn.Conv3d(widths[0], regions, 1)

    def forward(self, volume: Tensor) -> Tensor:
        *finer, x = self.encoder(volume)
        for up, block, skip in zip(self.ups, self.blocks, reversed(finer), strict=True):
            x = block(torch.cat([skip, up(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits


def auto_strides(patch: Sequence[int], spacing: Sequence[float], depth: int) -> list[Stride]:
    """Halves at each of ``depth`` levels those axes whose voxels are short by then and which are long enough.

    So that voxels grow round, as nnU-Net plans it: [z, y, x] of 5 x 1 x 1 mm is halved in the plane first.
    """
    sides, sizes, strides = list(patch), list(spacing), []
    for _ in range(depth):
        long_enough = [can_be_halved(side) for side in sides]
        shortest = min((size for fits, size in zip(long_enough, sizes, strict=True) if fits), default=0.0)
        step = [2 if fits and size < ROUND * shortest else 1 for fits, size in zip(long_enough, sizes, strict=True)]
        sides = [side // each for side, each in zip(sides, step, strict=True)]
        sizes = [size * each for size, each in zip(sizes, step, strict=True)]
        strides.append((step[0], step[1], step[2]))
    return strides


def build(  # noqa: PLR0913 - the keys of a YAML
    *,
    in_channels: int,
    regions: int,
    width: int = 24,
    depth: int = 4,
    strides: str | list[list[int]] = "auto",
    residual: bool = False,
    pretrained: bool = False,
    freeze: bool = False,
    weights: str | None = None,
) -> Net:
    """Builds the net; ``strides`` has one [z, y, x] a level, and ``auto`` halves all axes."""
    check_flags(pretrained, weights)
    if pretrained and weights is None:
        raise UserError(
            "pretrained=true: no weights are published for unet3d; give model.weights=<run directory or best.ckpt> "
            "of a lungseg run with model=unet3d, or say pretrained=false"
        )
    steps = [(2, 2, 2)] * depth if isinstance(strides, str) else [_stride(step) for step in strides]
    if len(steps) != depth:
        raise UserError(f"model.strides: {len(steps)} strides for model.depth={depth}; expected one [z,y,x] a level")
    widths = [min(width * 2**level, WIDEST) for level in range(depth + 1)]
    whole = [int(torch.tensor([step[axis] for step in steps]).prod()) for axis in range(3)]
    net = Net(UNet3d(in_channels, regions, widths, steps, residual), whole, freeze=freeze)
    if weights is not None:
        load_encoder(net.encoder, weights, in_channels)
    return net


def _stride(step: Sequence[int]) -> Stride:
    if len(step) != 3 or not all(isinstance(each, int) and 1 <= each <= 4 for each in step):
        raise UserError(f"model.strides: {list(step)} is no stride; expected [z,y,x], each from 1 to 4, as [1,2,2]")
    return step[0], step[1], step[2]
