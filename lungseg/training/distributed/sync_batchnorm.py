"""Batch norm over the images of all ranks, on CPUs as well: the number of devices changes no numbers."""

from typing import Any, cast

import torch
import torch.distributed as dist
from pytorch_lightning.plugins.layer_sync import LayerSync
from torch import Tensor, nn

ACTIVATED = "BatchNormAct2d"  # timm's: a batch norm that goes on to an activation


class Synced(nn.modules.batchnorm._BatchNorm):
    """Torch's on a GPU; the same by two sums over the ranks elsewhere. DDP refuses torch's own class on CPUs."""

    was: type[nn.Module]
    _check_input_dim = nn.SyncBatchNorm._check_input_dim
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def forward(self, input: Tensor) -> Tensor:
        out = self._normalised(input)
        if self.was.__name__ == ACTIVATED:
            after: Any = self
            out = after.act(after.drop(out))
        return out

    def _normalised(self, x: Tensor) -> Tensor:
        if not self.training or x.is_cuda:
            torchs: Any = nn.SyncBatchNorm.forward
            return cast(Tensor, torchs(self, x))
        given, x = x.dtype, x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        axes = [0, *range(2, x.dim())]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        count = _sum(torch.tensor([float(x.numel() // x.shape[1])], dtype=x.dtype))
        mean = _sum(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = _sum(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach(), count)
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is not None:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(given)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if not self.track_running_stats or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        assert self.running_mean is not None
        assert self.running_var is not None
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1), share)


class _Sum(torch.autograd.Function):
    """Over all ranks; a gradient goes back to all of them."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def _sum(value: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(value))


class SyncBatchNorm(LayerSync):
    """Layers change their class and back; what torch makes of them would drop what timm's do besides."""

    def apply(self, model: nn.Module) -> nn.Module:
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm) and not isinstance(layer, Synced | nn.SyncBatchNorm):
                known: Any = layer
                known.was, known.process_group = type(layer), None  # all ranks
                layer.__class__ = Synced
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        for layer in model.modules():
            if isinstance(layer, Synced):
                known: Any = layer
                was = known.was
                del known.was, known.process_group
                layer.__class__ = was
        return model
