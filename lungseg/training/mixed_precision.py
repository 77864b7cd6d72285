"""Mixed precision with gradients that can be clipped whatever the optimizer is."""

from typing import Any

from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from torch.optim import Optimizer

BF16 = ("bf16-mixed", "bf16")


class BF16Mixed(MixedPrecision):
    """Clips the gradients of fused optimizers, too: bfloat16 has the range of float32, so nothing is scaled.

    Lightning refuses it for every mixed precision, because a fused optimizer undoes the scaling of float16 itself.
    """

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)

    def clip_gradients(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
        Precision.clip_gradients(self, optimizer, *args, **kwargs)
