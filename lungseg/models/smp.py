"""Nets of segmentation_models_pytorch, with any of its encoders or timm's (as ``tu-<name>``)."""

import difflib
import inspect
import pkgutil
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lungseg.core.config.value_types import shown
from lungseg.core.errors import UsageError, UserError
from lungseg.core.net_size import require_room
from lungseg.models.base import Net
from lungseg.models.encoders import known_encoder, load_published
from lungseg.models.weights import check_flags, load_encoder

SET_HERE = {
    "self": "",
    "kwargs": "",
    "encoder_name": "say model.encoder=",
    "encoder_weights": "say pretrained=true or model.weights=",
    "in_channels": "the data decides it",
    "classes": "the task decides it",
    "activation": "nets return logits, the loss makes probabilities of them",
    "aux_params": "nets return logits only",
}


def build(  # noqa: PLR0913 - the keys of a YAML
    *,
    arch: str,
    encoder: str,
    in_channels: int,
    regions: int,
    pretrained: bool = False,
    freeze: bool = False,
    weights: str | None = None,
    **options: Any,
) -> Net:
    """``arch`` is the dotted path of a class of smp or like one of smp; ``options`` go to it, and from it to timm."""
    check_flags(pretrained, weights)
    encoder = known_encoder(encoder)
    make = _architecture(arch)
    _check_options(make, encoder, options)

    def construct(setting: str | bool | None) -> nn.Module:
        net: nn.Module = make(
            encoder_name=encoder, encoder_weights=setting, in_channels=in_channels, classes=regions, **options
        )
        return net

    count = _count(lambda: construct(None))
    if count is not None:
        given = "".join(f" model.{key}={shown(value)}" for key, value in options.items())
        require_room(count, f"model.encoder={encoder}{given}")
    try:
        bare = load_published(encoder, construct) if pretrained and weights is None else construct(None)
        net = Net(bare, int(bare.encoder.output_stride), freeze=freeze)  # type: ignore[union-attr, arg-type]
        _try_out(net, in_channels, regions)
    except UserError:
        raise
    except Exception as error:
        raise _refused(make, encoder, options, error) from error
    if weights is not None:
        load_encoder(net.encoder, weights, in_channels)
    return net


def _count(construct: Callable[[], nn.Module]) -> int | None:
    """Counts the parameters of a net without memory or random numbers; None where it cannot be made so."""
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return sum(parameter.numel() for parameter in construct().parameters())
    except Exception:  # some encoders look at their numbers; what cannot be made at all is said when it is built
        return None


def _architecture(arch: str) -> Any:
    try:
        found = pkgutil.resolve_name(arch)
    except (ImportError, AttributeError, ValueError):
        found = None
    if not inspect.isclass(found):
        raise UserError(
            f"model.arch={arch}: no such class; expected the dotted path of one, as segmentation_models_pytorch.Unet"
        )
    return found


def _check_options(make: Any, encoder: str, options: dict[str, Any]) -> None:
    """An unknown option smp would drop silently; timm's models refuse it themselves."""
    known = [name for name in inspect.signature(make.__init__).parameters if name not in SET_HERE]
    for key in options:
        if key in SET_HERE:
            raise UsageError(f"model.{key}: cannot be set; {SET_HERE[key] or 'leave it out'}")
        if key not in known and not encoder.startswith("tu-"):
            raise unknown_option(key, [*known, "encoder", "freeze", "weights"], make.__name__)


def unknown_option(key: str, known: list[str], name: str) -> UsageError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean model.{near[0]}?" if near else f"there are: {', '.join(sorted(known))}"
    return UsageError(f"model.{key}: {name} has no such option; {hint}")


def _try_out(net: Net, in_channels: int, regions: int) -> None:
    """One small image through the net and back: encoders that it cannot take often fail only here.

    Parameters that the logits do not depend on (some encoders keep a head) are not trained: several ranks that train
    together wait for every gradient.
    """
    side = max(*net.strides, 32)
    with torch.enable_grad():
        logits = net.eval()(torch.zeros(1, in_channels, 2 * side, 3 * side))
        net.train()
        if not isinstance(logits, torch.Tensor) or logits.shape != (1, regions, 2 * side, 3 * side):
            raise ValueError(f"an image of {2 * side}x{3 * side} gives logits of the shape {tuple(logits.shape)}")
        trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
        gradients = torch.autograd.grad(logits.sum(), trained, allow_unused=True)
    for parameter, gradient in zip(trained, gradients, strict=True):
        if gradient is None:
            parameter.requires_grad_(False)


def _refused(make: Any, encoder: str, options: dict[str, Any], error: Exception) -> UserError:
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unexpected and unexpected[1] in options:
        known = [name for name in inspect.signature(make.__init__).parameters if name not in SET_HERE]
        return unknown_option(unexpected[1], known, f"{make.__name__} with {encoder}")
    reason = str(error).strip().splitlines()[0].rstrip(".!") if str(error).strip() else type(error).__name__
    given = "".join(f", model.{key}={value}" for key, value in options.items())
    cure = "change the options, " if given else ""
    return UserError(
        f"model.encoder={encoder}{given}: {make.__name__} cannot be built so ({type(error).__name__}: {reason}); "
        f"{cure}choose another encoder, for example resnet34, or another model="
    )
