"""A hub's cache that holds weights made here, and a network that cannot be used."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file
from segmentation_models_pytorch.encoders import encoders
from torch import Tensor


def random_like(state: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """The same names and shapes, other values."""
    generator = torch.Generator().manual_seed(seed)
    return {
        k: torch.rand(v.shape, generator=generator) if v.is_floating_point() else v.clone() for k, v in state.items()
    }


def smp_weights(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Of an encoder that takes three channels."""
    return random_like(smp.encoders.get_encoder(name, in_channels=3, weights=None).state_dict(), seed)


def timm_weights(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Of the whole classifier, as timm publishes it."""
    return random_like(timm.create_model(name).state_dict(), seed)


def place_smp(cache: Path, name: str, weights: dict[str, Tensor]) -> None:
    setting = encoders[name]["pretrained_settings"]["imagenet"]
    _place(cache, setting["repo_id"], setting["revision"], weights)


def place_timm(cache: Path, name: str, weights: dict[str, Tensor]) -> None:
    _place(cache, timm.get_pretrained_cfg(name).hf_hub_id, "0" * 40, weights)


def _place(cache: Path, repo: str, revision: str, weights: dict[str, Tensor]) -> None:
    """``models--owner--name/{blobs, refs/main, snapshots/<revision>}``, files as links to blobs."""
    root = cache / f"models--{repo.replace('/', '--')}"
    blobs, snapshot, refs = root / "blobs", root / "snapshots" / revision, root / "refs"
    for folder in (blobs, snapshot, refs):
        folder.mkdir(parents=True)
    (refs / "main").write_text(revision)
    (blobs / "a").write_text("{}")
    save_file(weights, blobs / "b")
    (snapshot / "config.json").symlink_to("../../blobs/a")
    (snapshot / "model.safetensors").symlink_to("../../blobs/b")


def use_empty_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """The hub's cache in ``folder``, for its client (which read the environment at import) and for us."""
    cache = folder / "hub"
    cache.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HOME", str(folder))
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return cache


def cut_network(monkeypatch: pytest.MonkeyPatch, hangs: float = 0.0) -> None:
    """Names cannot be looked up: at once, or after ``hangs`` seconds. Any connection is an error."""

    def lookup(*args: object, **kwargs: object) -> None:
        time.sleep(hangs)
        raise OSError("no network in this test")

    def connect(*args: object, **kwargs: object) -> None:
        raise AssertionError("connected, though there is no network")

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    monkeypatch.setattr("socket.socket.connect", connect)


@contextlib.contextmanager
def faster_than(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds
