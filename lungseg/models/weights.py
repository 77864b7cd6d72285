"""Encoder weights from a file: read without running anything, found under any prefix, fitted to the channels."""

import logging
import pickle
import re
import zipfile
from itertools import takewhile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from lungseg.core.errors import UserError
from lungseg.models.hub import locate

log = logging.getLogger(__name__)

ENOUGH = 0.9  # share of the encoder's tensors that a file must hold
HEADS = re.compile(r"(^|\.)(fc|head|heads|classifier|last_linear|conv_head|norm_head|aux_classifier|_fc)\.")


def check_flags(pretrained: bool, weights: str | None) -> None:
    """An arm's name never lies: weights are loaded only where ``pretrained`` says so."""
    if weights is not None and not pretrained:
        raise UserError("model.weights is set but pretrained=false; say pretrained=true to use it")


def load_encoder(encoder: nn.Module, weights: str, in_channels: int) -> None:
    """Copy what ``weights`` (a file or a run directory) holds into ``encoder``; heads and decoders are left out."""
    own = {key: value for key, value in encoder.state_dict().items() if not key.endswith("num_batches_tracked")}
    outer = _outer(list(own))
    wanted = {_plain(key.removeprefix(outer)): tensor for key, tensor in own.items()}
    content = {_plain(key): value for key, value in read_tensors(locate(weights)).items()}
    prefix = _best_prefix(list(wanted), content)
    given = {key.removeprefix(prefix): value for key, value in content.items() if key.startswith(prefix)}

    fitted = {name: _fit(given[name], tensor, in_channels) for name, tensor in wanted.items() if name in given}
    matched = {name: tensor for name, tensor in fitted.items() if tensor is not None}
    absent = [outer + name for name in wanted if name not in matched]
    extra = [n for n in given if n not in matched and not HEADS.search(n) and not n.endswith("num_batches_tracked")]
    names = (
        f"{len(matched)} of the encoder's {len(wanted)} tensors match"
        + (f", first missing or of another shape: {', '.join(absent[:3])}" if absent else "")
        + (f", first unexpected of {len(extra)}: {', '.join(extra[:3])}" if extra else "")
    )
    if len(matched) < ENOUGH * len(wanted):
        raise UserError(f"model.weights={weights}: {names}; give weights of the same model.encoder (and width)")
    if absent or len(extra) > (1 - ENOUGH) * len(wanted):
        log.warning("model.weights=%s: %s", weights, names)
    with torch.no_grad():
        for name, tensor in matched.items():
            wanted[name].copy_(tensor)


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """Weights [O, I, k, k] of a first convolution for another number of channels, so that equal channels act as before.

    One channel: the sum over I. More: repeated in turn, scaled by I / channels.
    """
    known = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, [channel % known for channel in range(channels)]] * (known / channels)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The file's tensors by name, on the CPU, out of whatever dicts they are wrapped in."""
    content: Any = _read(path)
    while isinstance(content, dict):
        inner = next((content[key] for key in ("state_dict", "model_state_dict", "model") if key in content), None)
        if not isinstance(inner, dict):
            break
        content = inner
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        raise UserError(f"model.weights={path}: holds no tensors by name; expected a state_dict, or a run's best.ckpt")
    return tensors


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path, device="cpu")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL ([\w.]+)|Trying to instantiate class ([\w.]+)", str(error)):
            raise UserError(
                f"model.weights={path}: refused, it holds Python objects that could run code ({found[1] or found[2]}); "
                "expected only tensors and plain values, as .safetensors has them"
            ) from None
        raise _damaged(path) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise _damaged(path) from None


def _damaged(path: Path) -> UserError:
    return UserError(f"model.weights={path}: truncated or damaged, it cannot be read whole; copy it again")


def _plain(key: str) -> str:
    """``stages_0.x`` as timm's feature extractors say for ``stages.0.x``."""
    return re.sub(r"_(\d+)(?=\.)", r".\1", key)


def _outer(keys: list[str]) -> str:
    """What all names begin with, such as timm's ``model.``."""
    first, last = min(keys).split(".")[:-1], max(keys).split(".")[:-1]
    same = [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    return "".join(f"{part}." for part in same)


def _best_prefix(names: list[str], content: dict[str, Tensor]) -> str:
    """What stands before the encoder's names in the file, such as ``net.net.encoder.``; by the most matches."""
    samples = names[:: max(len(names) // 16, 1)]
    prefixes = {key.removesuffix(name) for name in samples for key in content if f".{key}".endswith(f".{name}")}
    return max(sorted(prefixes, key=len), key=lambda p: sum(p + name in content for name in names), default="")


def _fit(given: Tensor, own: Tensor, in_channels: int) -> Tensor | None:
    """``given`` in the shape of ``own``, or None where that cannot be."""
    if given.shape == own.shape:
        return given
    first = given.ndim == own.ndim >= 4 and own.shape[1] == in_channels
    if first and given.shape[0] == own.shape[0] and given.shape[2:] == own.shape[2:]:
        return adapt_channels(given, in_channels)
    return None
