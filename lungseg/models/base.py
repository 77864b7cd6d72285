"""What every net here is: any size in, the same size out, an encoder that can be frozen."""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """Maps image [B, C, H, W] to logits [B, K, H, W] for any H and W, by a net that wants multiples of ``stride``.

    The lower and right edges are repeated up to the next multiple and cut off again. A frozen encoder gets no
    gradient and stays in evaluation mode, so that its batch norms and dropout stand still too.
    """

    def __init__(self, net: nn.Module, stride: int, *, freeze: bool = False) -> None:
        super().__init__()
        self.net, self.stride, self.frozen = net, stride, freeze
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
        height, width = image.shape[-2:]
        below, right = -height % self.stride, -width % self.stride
        if below or right:
            image = F.pad(image, (0, right, 0, below), mode="replicate")
        logits: Tensor = self.net(image)
        return logits[..., :height, :width]
