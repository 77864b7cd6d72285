"""Ronneberger's U-Net (2015), with batch norm and padded convolutions."""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lungseg.core.errors import UsageError, UserError
from lungseg.core.net_size import classic_parameters, require_room
from lungseg.models.base import Net
from lungseg.models.weights import check_flags, load_encoder


class Block(nn.Sequential):
    """Two 3x3 convolutions that keep the size, each with batch norm and ReLU."""

    def __init__(self, inward: int, outward: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inward, outward):
            layers += [
                nn.Conv2d(channels, outward, 3, padding=1, bias=False),
                nn.BatchNorm2d(outward),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


class Contract(nn.Module):
    """Image [B, C, H, W] to features, finest first: at level i [B, width * 2**i, H / 2**i, W / 2**i]."""

    def __init__(self, in_channels: int, width: int, depth: int) -> None:
        super().__init__()
        channels = [in_channels, *(width * 2**level for level in range(depth + 1))]
        self.blocks = nn.ModuleList(Block(a, b) for a, b in pairwise(channels))

    def forward(self, image: Tensor) -> list[Tensor]:
        features = [self.blocks[0](image)]
        for block in self.blocks[1:]:
            features.append(block(F.max_pool2d(features[-1], 2)))
        return features


class Expand(nn.Module):
    """Features, finest first, to [B, width, H, W]: twice the size, half the channels, joined with the level above."""

    def __init__(self, width: int, depth: int, bilinear: bool) -> None:
        super().__init__()
        outward = [width * 2**level for level in reversed(range(depth))]
        self.ups = nn.ModuleList(_up(2 * channels, channels, bilinear) for channels in outward)
        self.blocks = nn.ModuleList(Block(2 * channels, channels) for channels in outward)

    def forward(self, features: list[Tensor]) -> Tensor:
        *finer, x = features
        for up, block, skip in zip(self.ups, self.blocks, reversed(finer), strict=True):
            x = block(torch.cat([skip, up(x)], dim=1))
        return x


def _up(inward: int, outward: int, bilinear: bool) -> nn.Module:
    if not bilinear:
        return nn.ConvTranspose2d(inward, outward, 2, stride=2)
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), nn.Conv2d(inward, outward, 1)
    )


class UNetClassic(nn.Module):
    """``width`` channels at full size, ``depth`` poolings; sides must be multiples of 2**depth."""

    def __init__(self, in_channels: int, regions: int, width: int, depth: int, bilinear: bool) -> None:
        super().__init__()
        self.encoder = Contract(in_channels, width, depth)
        self.decoder = Expand(width, depth, bilinear)
        self.head = nn.Conv2d(width, regions, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # as in the paper: a standard deviation of sqrt(2 / fan-in)
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.decoder(self.encoder(image)))
        return logits


def build(  # noqa: PLR0913 - the keys of a YAML
    *,
    in_channels: int,
    regions: int,
    width: int = 64,
    depth: int = 4,
    bilinear: bool = False,
    pretrained: bool = False,
    freeze: bool = False,
    weights: str | None = None,
    **unknown: Any,
) -> Net:
    """``pretrained`` needs ``weights``: nobody has published any for this net."""
    for key in unknown:
        raise UsageError(f"model.{key}: unet_classic has no such option; there are: width, depth, bilinear, weights")
    check_flags(pretrained, weights)
    if pretrained and weights is None:
        raise UserError(
            "pretrained=true: no weights are published for unet_classic; give model.weights=<run directory or "
            "best.ckpt> of a lungseg run with model=unet_classic, or say pretrained=false"
        )
    if width < 1 or depth < 1:
        raise UserError(f"model.width={width} model.depth={depth}: both must be at least 1; the paper has 64 and 4")
    require_room(
        classic_parameters(in_channels, regions, width, depth, bilinear), f"model.width={width} model.depth={depth}"
    )
    net = Net(UNetClassic(in_channels, regions, width, depth, bilinear), 2**depth, freeze=freeze)
    if weights is not None:
        load_encoder(net.encoder, weights, in_channels)
    return net
