"""An encoder's name, and its published weights: from the local cache, else from the hub, else a quick refusal."""

import contextlib
import difflib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch.hub
from huggingface_hub import constants, try_to_load_from_cache

from lungseg.core.errors import UserError, WeightsMissingError
from lungseg.core.fast_startup import without
from lungseg.models import hub

with without("wandb"):  # timm imports it for a summary that is not written here
    import timm
    from segmentation_models_pytorch.encoders import encoders as smp_encoders
    from segmentation_models_pytorch.encoders import is_equivalent_to_timm_universal

T = TypeVar("T")
TIMM_FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")


@dataclass(frozen=True)
class Published:
    """``setting`` is what smp takes as ``encoder_weights``; of each group in ``files`` one is needed."""

    setting: str | bool
    repo: str | None
    revision: str | None
    files: tuple[tuple[str, ...], ...]
    url: str | None = None

    def cached(self) -> bool:
        """True if a local file would be used."""
        if self.repo is None:
            name = os.path.basename(self.url or "")
            return (Path(torch.hub.get_dir()) / "checkpoints" / name).is_file()
        return all(any(self._has(self.repo, name) for name in group) for group in self.files)

    def _has(self, repo: str, name: str) -> bool:
        return isinstance(try_to_load_from_cache(repo, name, revision=self.revision), str)


def known_encoder(name: str) -> str:
    """The name as smp takes it; a mistyped one is an error with the nearest names."""
    if name in smp_encoders:
        return name
    if is_equivalent_to_timm_universal(name):  # smp's older names of what timm has
        name = name.replace("timm-mobilenetv3", "timm-tf_mobilenetv3").replace("timm-", "tu-")
    bare = name.removeprefix("tu-")
    if name.startswith("tu-") and timm.is_model(bare):
        if "." not in bare or bare in timm.list_pretrained(f"{bare.split('.')[0]}.*"):
            return name
        near = [f"tu-{tagged}" for tagged in timm.list_pretrained(f"{bare.split('.')[0]}.*")]
    else:
        near = difflib.get_close_matches(name, [*smp_encoders, *(f"tu-{n}" for n in timm.list_models())], n=3)
    near = list(dict.fromkeys([f"tu-{name}", *near] if timm.is_model(name) else near))
    hint = f"did you mean {' or '.join(near[:3])}?" if near else "for example resnet34 or tu-convnext_tiny"
    raise UserError(f"model.encoder={name}: no such encoder; expected one of smp's, or timm's as tu-<name>; {hint}")


def published(encoder: str) -> Published:
    """The one place that decides which weights ``pretrained=true`` means: ImageNet's where there are such."""
    if not encoder.startswith("tu-"):
        settings = smp_encoders[encoder]["pretrained_settings"]
        setting = "imagenet" if "imagenet" in settings else next(iter(settings), None)
        if setting is not None:
            chosen = settings[setting]
            return Published(setting, chosen["repo_id"], chosen["revision"], (("config.json",), ("model.safetensors",)))
    elif (config := timm.get_pretrained_cfg(encoder.removeprefix("tu-"))) is not None and config.has_weights:
        files = (config.hf_hub_filename,) if config.hf_hub_filename else TIMM_FILES
        url = config.url if isinstance(config.url, str) or config.url is None else config.url[1]
        return Published(True, config.hf_hub_id, None, (files,), url)
    raise UserError(
        f"pretrained=true: model.encoder={encoder} has no published weights; give model.weights=<file>, "
        "pretrained=false or another model.encoder="
    )


def load_published(encoder: str, build: Callable[[str | bool], T]) -> T:
    """``build`` with the weights' setting; without the network where the cache has them."""
    weights = published(encoder)
    wanted = weights.repo or weights.url or encoder
    cached = weights.cached()
    folder = Path(constants.HF_HUB_CACHE if weights.repo else torch.hub.get_dir())
    if not cached and not hub.reachable():
        raise hub.missing(encoder, wanted, folder)
    try:
        with _cache_only() if cached else contextlib.nullcontext():
            return build(weights.setting)
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise  # not from reading or fetching: the architecture refused
        verb, cure = ("read", "delete its folder there") if cached else ("fetched", "try again")
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsMissingError(
            f"pretrained=true: the weights of model.encoder={encoder} ({wanted}, in {folder}) cannot be {verb}: "
            f"{reason}; {cure}, or give model.weights=<file>",
            encoder,
        ) from error


@contextlib.contextmanager
def _cache_only() -> Iterator[None]:
    """The hub's client otherwise asks whether a cached file is the newest, for half a minute where it cannot."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
