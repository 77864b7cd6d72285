"""What every net here is: any size in, the same size out, an encoder that can be frozen."""

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """Maps image [B, C, ...] to logits [B, K, ...] of any size, by a net that wants multiples of ``stride``.

    ``stride`` is that of both axes of an image, or of each axis of a volume. The far edges are repeated up to the next
    multiple and cut off again. A frozen encoder gets no gradient and stays in evaluation mode, so that its batch norms
    and dropout stand still too.
    """

    def __init__(self, net: nn.Module, stride: int | Sequence[int], *, freeze: bool = False) -> None:
        super().__init__()
        self.net, self.frozen = net, freeze
        self.strides = (stride, stride) if isinstance(stride, int) else tuple(stride)
        if freeze:
            self.encoder.requires_grad_(False)
        self.train()

    @property
    def encoder(self) -> nn.Module:
        return cast(nn.Module, self.net.encoder)

    def train(self, mode: bool = True) -> "Net":
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        sides = image.shape[2:]
        missing = [-side % stride for side, stride in zip(sides, self.strides, strict=True)]
        if any(missing):
            image = F.pad(image, [part for after in reversed(missing) for part in (0, after)], mode="replicate")
        logits: Tensor = self.net(image)
        for axis, side in enumerate(sides, start=2):
            logits = logits.narrow(axis, 0, side)
        return logits
