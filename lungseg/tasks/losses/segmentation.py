"""Losses over regions, each defined and with a gradient when a batch's masks are empty.

All take logits [B, K, ...] and masks [B, K, ...] of 0 and 1, of images or volumes, and give a scalar, computed in
float32. The K regions go from the outer to the inner one (a lung, then the infection in it).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

# Of the image's area: what keeps a ratio of areas defined, and its gradient alive, where a mask is empty
SMOOTH = 1e-3


class RegionLoss(nn.Module):
    """A loss that also says how logits become each region's probability: by a sigmoid each, unless overridden."""

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        raise NotImplementedError


class BCE(RegionLoss):
    """Binary cross entropy, mean over pixels."""

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits.float(), masks.float())


class Tversky(RegionLoss):
    """1 - TP / (TP + alpha FP + beta FN) of soft areas, mean over images and regions.

    ``beta`` above ``alpha`` makes misses dearer than false alarms. Areas are shares of the image, so that the
    smoothing means the same at every resolution. On an empty mask the loss falls with the predicted area.
    """

    def __init__(self, alpha: float = 0.3, beta: float = 0.7) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        p, m = logits.float().sigmoid(), masks.float()
        axes = tuple(range(2, p.dim()))
        hit = (p * m).mean(axes)
        invented = p.mean(axes) - hit
        missed = m.mean(axes) - hit
        index = (hit + SMOOTH / 2) / (hit + self.alpha * invented + self.beta * missed + SMOOTH / 2)
        return 1 - index.mean()


class Dice(Tversky):
    """1 - soft Dice per image and region, averaged."""

    def __init__(self) -> None:
        super().__init__(alpha=0.5, beta=0.5)


class BCEDice(RegionLoss):
    """Weighted sum: the cross entropy for calm gradients, the Dice for small regions."""

    def __init__(self, bce: float = 1.0, dice: float = 1.0) -> None:
        super().__init__()
        self.weights, self.parts = (bce, dice), nn.ModuleList([BCE(), Dice()])

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        terms = [weight * part(logits, masks) for weight, part in zip(self.weights, self.parts, strict=True)]
        return torch.stack(terms).sum()


class Focal(RegionLoss):
    """Cross entropy that looks away from easy pixels by (1 - p)^gamma; ``alpha`` weighs the region's own pixels."""

    def __init__(self, alpha: float = 0.5, gamma: float = 2.0) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        loss: Tensor = sigmoid_focal_loss(logits.float(), masks.float(), self.alpha, self.gamma, reduction="mean")
        return loss


class Lovasz(RegionLoss):
    """The Lovász hinge: a convex stand-in for 1 - IoU, per image and region."""

    def __init__(self) -> None:
        from segmentation_models_pytorch.losses import LovaszLoss  # with timm, half a second that the others save

        super().__init__()
        self.hinge = LovaszLoss("binary", per_image=True)

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        regions = zip(logits.float().unbind(1), masks.float().unbind(1), strict=True)
        return torch.stack([self.hinge(logit, mask) for logit, mask in regions]).mean()


class CrossEntropy(RegionLoss):
    """Softmax over the exclusive labels background, only region 1, ..., region K; a pixel's label is the innermost.

    A region's probability is that of its own label and of all that lie within it, so an inner region is never more
    probable than the outer one. With K = 1 it is binary cross entropy.
    """

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        order = torch.arange(1, masks.shape[1] + 1, device=masks.device).view(1, -1, *[1] * (masks.dim() - 2))
        labels = ((masks > 0.5) * order).amax(1)
        return F.cross_entropy(_with_background(logits), labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        own = _with_background(logits).softmax(1)[:, 1:]
        return own.flip(1).cumsum(1).flip(1).clamp(max=1)


def _with_background(logits: Tensor) -> Tensor:
    """[B, K, ...] -> [B, 1 + K, ...]: the background's logit is 0."""
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1).float()
