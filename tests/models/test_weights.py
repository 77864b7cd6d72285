"""Published weights from the local cache, refusals without a network, weights from files."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lungseg.core.errors import UserError
from lungseg.models import hub, smp, unet_classic
from lungseg.models.base import Net
from lungseg.models.weights import adapt_channels, load_encoder
from tests.models.fakes import (
    cut_network,
    faster_than,
    place_smp,
    place_timm,
    smp_weights,
    timm_weights,
    use_empty_cache,
)

Save = Callable[[Path, dict[str, Tensor]], str]


def unet(encoder: str = "resnet18", *, in_channels: int = 1, arch: str = "Unet", **options: Any) -> Net:
    return smp.build(
        arch=f"segmentation_models_pytorch.{arch}", encoder=encoder, in_channels=in_channels, regions=1, **options
    )


def assert_holds(encoder: nn.Module, weights: dict[str, Tensor], first: str, prefix: str = "") -> None:
    """All tensors equal, but for the first convolution, which is the sum over the colours."""
    for name, value in encoder.state_dict().items():
        given = weights[name.removeprefix(prefix)]
        expected = given.sum(1, keepdim=True) if name == prefix + first else given
        assert torch.allclose(value, expected, rtol=1e-6, atol=1e-6), name


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    cut_network(monkeypatch)
    return use_empty_cache(monkeypatch, tmp_path)


class TestCache:
    def test_smp(self, cache: Path) -> None:
        weights = smp_weights("resnet18")
        place_smp(cache, "resnet18", weights)
        hub.require_weights("resnet18", None)
        with faster_than(10):
            net = unet(pretrained=True)
        assert_holds(net.encoder, weights, "conv1.weight")

    def test_smp_transformer(self, cache: Path) -> None:
        weights = smp_weights("mit_b0")
        place_smp(cache, "mit_b0", weights)
        assert_holds(unet("mit_b0", pretrained=True, arch="Segformer").encoder, weights, "patch_embed1.proj.weight")

    def test_timm(self, cache: Path) -> None:
        weights = timm_weights("resnet10t")
        place_timm(cache, "resnet10t", weights)
        hub.require_weights("tu-resnet10t", None)
        with faster_than(10):
            net = unet("tu-resnet10t", pretrained=True)
        assert_holds(net.encoder, weights, "conv1.0.weight", prefix="model.")

    def test_three_channels_are_left_as_they_are(self, cache: Path) -> None:
        weights = smp_weights("resnet18")
        place_smp(cache, "resnet18", weights)
        net = unet(pretrained=True, in_channels=3, freeze=True)
        assert torch.equal(net.encoder.state_dict()["conv1.weight"], weights["conv1.weight"])
        assert not any(p.requires_grad for p in net.encoder.parameters())

    def test_damaged(self, cache: Path) -> None:
        place_smp(cache, "resnet18", smp_weights("resnet18"))
        blob = next(cache.glob("models--*/blobs/b"))
        blob.write_bytes(blob.read_bytes()[:-1000])
        with pytest.raises(UserError, match=r"smp-hub/resnet18.imagenet.*cannot be read"):
            unet(pretrained=True)

    def test_half_a_cache_is_none(self, cache: Path) -> None:
        place_smp(cache, "resnet18", smp_weights("resnet18"))
        next(cache.glob("models--*/blobs/b")).unlink()
        with pytest.raises(UserError, match="cannot be reached"):
            unet(pretrained=True)


class TestOffline:
    @pytest.mark.parametrize(
        ("encoder", "repo"), [("resnet18", "smp-hub/resnet18.imagenet"), ("tu-resnet10t", "timm/resnet10t.c3_in1k")]
    )
    @pytest.mark.parametrize("hangs", [0.0, 5.0])
    def test_refused_at_once(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch, encoder: str, repo: str, hangs: float
    ) -> None:
        cut_network(monkeypatch, hangs)
        for attempt in (lambda: unet(encoder, pretrained=True), lambda: hub.require_weights(encoder, None)):
            with faster_than(3), pytest.raises(UserError) as caught:
                attempt()
            line = str(caught.value)
            assert "\n" not in line
            for words in (repo, str(cache), "(1)", "(2)", "HF_HOME", "TORCH_HOME", "(3)", "model.weights="):
                assert words in line

    def test_nothing_heavy_is_imported_for_it(self, tmp_path: Path) -> None:
        code = (
            "import sys; from lungseg.models import hub; from lungseg.core.errors import UserError\n"
            "try: hub.require_weights('resnet34', None)\n"
            "except UserError as error: print(error)\n"
            "print(sorted({'torch', 'timm', 'segmentation_models_pytorch', 'huggingface_hub'} & set(sys.modules)))"
        )
        environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
        with faster_than(3):
            answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        refusal, loaded = answer.stdout.splitlines()
        assert "smp-hub/resnet34.imagenet" in refusal
        assert loaded == "[]"

    def test_in_doubt_the_net_decides(self, cache: Path) -> None:
        (cache / "models--someone--else").mkdir()
        hub.require_weights("tu-resnet10t", None)
        hub.require_weights("mistyped", None)
        hub.require_weights(None, None)
        with pytest.raises(UserError, match="no such encoder"):
            unet("mistyped", pretrained=True)

    def test_never_published(self, cache: Path) -> None:
        with pytest.raises(UserError, match="no published weights"):
            unet("tu-cs3darknet_s", pretrained=True)

    def test_a_reachable_hub_that_fails(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def download(*args: object, **kwargs: object) -> None:
            raise ConnectionResetError("reset by peer")

        monkeypatch.setattr(hub, "reachable", lambda: True)
        monkeypatch.setattr("segmentation_models_pytorch.encoders.hf_hub_download", download)
        with pytest.raises(UserError, match=r"smp-hub/resnet18.imagenet.*cannot be fetched: reset by peer"):
            unet(pretrained=True)


class TestReachable:
    @pytest.fixture
    def port(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
        use_empty_cache(monkeypatch, tmp_path)
        with create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1]

    def test_endpoint(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        assert hub.reachable()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert not hub.reachable()

    def test_proxy_in_place_of_the_endpoint(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
        monkeypatch.setenv("https_proxy", f"http://user:word@127.0.0.1:{port}")
        assert hub.reachable()
        monkeypatch.setenv("no_proxy", "hub.invalid")
        assert not hub.reachable()

    def test_nobody_listens(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        use_empty_cache(monkeypatch, tmp_path)
        with create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        threads = threading.active_count()
        assert not hub.reachable()
        assert threading.active_count() <= threads


def bare(path: Path, weights: dict[str, Tensor]) -> str:
    torch.save(weights, path / "w.pth")
    return str(path / "w.pth")


def safe(path: Path, weights: dict[str, Tensor]) -> str:
    save_file(weights, path / "w.safetensors")
    return str(path / "w.safetensors")


def wrapped_with_head(path: Path, weights: dict[str, Tensor]) -> str:
    state = {f"module.encoder.{name}": value for name, value in weights.items()}
    state |= {"module.fc.weight": torch.ones(9, 9), "module.fc.bias": torch.ones(9)}
    torch.save({"epoch": 3, "state_dict": state}, path / "w.pt")
    return str(path / "w.pt")


def run_directory(path: Path, weights: dict[str, Tensor]) -> str:
    """As Lightning writes it; the encoder lies at ``net.net.encoder`` of the module."""
    (path / "run" / "checkpoints").mkdir(parents=True)
    state = {f"net.net.encoder.{name}": value for name, value in weights.items()}
    state["net.net.decoder.blocks.0.conv1.0.weight"] = torch.ones(3, 3)
    torch.save({"epoch": 1, "state_dict": state, "callbacks": {"a": 1}}, path / "run" / "checkpoints" / "best.ckpt")
    return str(path / "run")


class TestFiles:
    @pytest.mark.parametrize("save", [bare, safe, wrapped_with_head, run_directory])
    def test_every_form(self, tmp_path: Path, save: Save) -> None:
        weights = smp_weights("resnet18")
        net = unet(pretrained=True, weights=save(tmp_path, weights))
        assert_holds(net.encoder, weights, "conv1.weight")

    @pytest.mark.parametrize(
        ("name", "first"), [("resnet10t", "conv1.0.weight"), ("mobilenetv3_small_050", "conv_stem.weight")]
    )
    def test_timms_own_file(self, tmp_path: Path, name: str, first: str) -> None:
        weights = timm_weights(name)
        net = unet(f"tu-{name}", pretrained=True, weights=safe(tmp_path, weights))
        assert_holds(net.encoder, weights, first, prefix="model.")

    def test_timms_flattened_names(self, tmp_path: Path) -> None:
        weights = timm_weights("convnext_atto")
        net = unet("tu-convnext_atto", pretrained=True, weights=safe(tmp_path, weights))
        stem, last = net.encoder.model.stem_0.weight, net.encoder.model.stages_3.blocks[1].mlp.fc2.weight
        assert torch.allclose(stem, weights["stem.0.weight"].sum(1, keepdim=True))
        assert torch.equal(last, weights["stages.3.blocks.1.mlp.fc2.weight"])

    @pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet10t"])
    def test_from_one_net_to_another(self, tmp_path: Path, encoder: str) -> None:
        """As a run leaves them, with one channel, into another architecture."""
        source = unet(encoder)
        torch.save({"state_dict": {f"net.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "best.ckpt")
        target = unet(encoder, arch="FPN", pretrained=True, weights=str(tmp_path / "best.ckpt"))
        for name, value in source.encoder.state_dict().items():
            assert torch.equal(target.encoder.state_dict()[name], value)

    def test_unet_classic(self, tmp_path: Path) -> None:
        build = {"in_channels": 1, "regions": 1, "width": 4, "depth": 2}
        source = unet_classic.build(**build)
        torch.save({"state_dict": {f"net.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "best.ckpt")
        target = unet_classic.build(**build, pretrained=True, weights=str(tmp_path / "best.ckpt"))
        assert torch.equal(target.encoder.blocks[2][3].weight, source.encoder.blocks[2][3].weight)
        with pytest.raises(UserError, match="match"):
            unet_classic.build(**{**build, "width": 8}, pretrained=True, weights=str(tmp_path / "best.ckpt"))

    def test_too_few(self, tmp_path: Path) -> None:
        with pytest.raises(UserError) as caught:
            unet("mobilenet_v2", pretrained=True, weights=safe(tmp_path, smp_weights("resnet18")))
        assert "of the encoder's 260 tensors match" in str(caught.value)
        assert "features.0.0.weight" in str(caught.value)
        assert "bn1.bias" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_few_less_are_said(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        weights = smp_weights("resnet18")
        del weights["bn1.bias"]
        unet(pretrained=True, weights=safe(tmp_path, weights))
        assert "99 of the encoder's 100 tensors match" in caplog.text
        assert "bn1.bias" in caplog.text

    def test_code_is_refused_and_not_run(self, tmp_path: Path) -> None:
        proof = tmp_path / "it_ran"

        class Evil:
            def __reduce__(self) -> Any:
                return Path.touch, (proof,)

        torch.save({"state_dict": smp_weights("resnet18"), "extra": Evil()}, tmp_path / "w.pth")
        with pytest.raises(UserError, match="could run code"):
            unet(pretrained=True, weights=str(tmp_path / "w.pth"))
        assert not proof.exists()
        torch.load(tmp_path / "w.pth", weights_only=False)  # the file would have
        assert proof.exists()

    @pytest.mark.parametrize("save", [bare, safe])
    @pytest.mark.parametrize("keep", [0, 100, -5000])
    def test_truncated(self, tmp_path: Path, save: Save, keep: int) -> None:
        file = Path(save(tmp_path, smp_weights("resnet18")))
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(UserError, match="truncated or damaged"):
            unet(pretrained=True, weights=str(file))

    def test_garbage_and_no_tensors(self, tmp_path: Path) -> None:
        (tmp_path / "w.pth").write_text("hello, these are no weights")
        with pytest.raises(UserError, match="truncated or damaged"):
            unet(pretrained=True, weights=str(tmp_path / "w.pth"))
        torch.save({"state_dict": {"a": 1}}, tmp_path / "w.pth")
        with pytest.raises(UserError, match="no tensors"):
            unet(pretrained=True, weights=str(tmp_path / "w.pth"))

    def test_wrong_paths(self, tmp_path: Path) -> None:
        (tmp_path / "w.onnx").touch()
        for weights, said in (
            (tmp_path / "absent.pth", "no such file"),
            (tmp_path / "w.onnx", "unknown kind"),
            (tmp_path, "best.ckpt"),
        ):
            for attempt in (lambda w: unet(pretrained=True, weights=w), lambda w: hub.require_weights("resnet18", w)):
                with pytest.raises(UserError, match=said):
                    attempt(str(weights))


def test_equal_channels_act_as_before() -> None:
    weight, image = torch.randn(4, 3, 3, 3), torch.randn(1, 1, 9, 9)
    expected = nn.functional.conv2d(image.expand(-1, 3, -1, -1), weight)
    assert torch.allclose(nn.functional.conv2d(image, adapt_channels(weight, 1)), expected, atol=1e-5)
    six = nn.functional.conv2d(image.expand(-1, 6, -1, -1), adapt_channels(weight, 6))
    assert torch.allclose(six, expected, atol=1e-5)
    grey = adapt_channels(weight, 1)
    three = nn.functional.conv2d(image.expand(-1, 3, -1, -1), adapt_channels(grey, 3))
    assert torch.allclose(three, expected, atol=1e-5)


def test_first_convolutions_with_several_branches(tmp_path: Path) -> None:
    weights = smp_weights("mobileone_s0")
    net = unet("mobileone_s0")
    load_encoder(net.encoder, safe(tmp_path, weights), 1)
    for name in ("stage0.rbr_conv.0.conv.weight", "stage0.rbr_scale.conv.weight"):
        assert torch.allclose(net.encoder.state_dict()[name], weights[name].sum(1, keepdim=True))
