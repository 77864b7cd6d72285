"""Every net: its YAML, any size, gradients, a frozen encoder."""

from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from lungseg.core.errors import UserError
from lungseg.models import smp, unet_classic
from lungseg.models.base import Net

CONF = Path(__file__).parents[2] / "conf"
TOP = "defaults: [_self_, {model: unet}]\npretrained: false\nfreeze_encoder: false\n"


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest config that a model's YAML can be composed in."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "top.yaml").write_text(TOP)
    (folder / "model").symlink_to(CONF / "model")
    return folder


def composed(conf: Path, *overrides: str, in_channels: int = 1, regions: int = 2) -> Net:
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        config = hydra.compose("top", [*overrides])
    OmegaConf.set_struct(config, False)
    assert config.model.pop("name") in [path.stem for path in CONF.glob("model/*.yaml")]
    net = hydra.utils.instantiate(config.model, in_channels=in_channels, regions=regions, _convert_="all")
    assert isinstance(net, Net)
    return net


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, torch.Tensor]) -> list[str]:
    return [name for name, value in module.state_dict().items() if not torch.equal(value, before[name])]


class NetTests:
    """What holds for every net; a subclass says which."""

    model: str
    small: tuple[str, ...] = ("model.encoder=resnet18",)  # overrides that make it quick

    def net(self, conf: Path, *overrides: str, **data: Any) -> Net:
        torch.manual_seed(0)
        return composed(conf, f"model={self.model}", *self.small, *overrides, **data)

    def test_yaml_alone_gives_a_net_for_any_size(self, conf: Path) -> None:
        net = composed(conf, f"model={self.model}").eval()
        with torch.no_grad():
            for height, width in ((50, 70), (17, 33), (64, 64)):
                logits = net(torch.randn(1, 1, height, width))
                assert logits.shape == (1, 2, height, width)
                assert logits.isfinite().all()

    def test_three_channels_one_region(self, conf: Path) -> None:
        net = self.net(conf, in_channels=3, regions=1)
        assert net(torch.randn(2, 3, 64, 64)).shape == (2, 1, 64, 64)

    def test_padding_changes_nothing_where_sides_divide(self, conf: Path) -> None:
        net = self.net(conf).eval()
        image = torch.randn(1, 1, 64, 96)
        with torch.no_grad():
            assert torch.equal(net(image), net.net(image))

    def test_gradient_reaches_every_trained_parameter(self, conf: Path) -> None:
        net = self.net(conf)
        net(torch.randn(2, 1, 64, 64)).square().mean().backward()
        assert [name for name, p in net.named_parameters() if p.requires_grad and p.grad is None] == []

    def test_a_training_step_moves_the_encoder(self, conf: Path) -> None:
        net = self.net(conf)
        before = snapshot(net.encoder)
        net(torch.randn(2, 1, 64, 64)).square().mean().backward()
        torch.optim.SGD(net.parameters(), lr=0.1).step()
        assert changed(net.encoder, before)

    def test_frozen_encoder_stands_still(self, conf: Path) -> None:
        net = self.net(conf, "freeze_encoder=true")
        net.eval()
        net.train()
        assert net.training
        assert not any(module.training for module in net.encoder.modules())
        assert not any(p.requires_grad for p in net.encoder.parameters())
        encoder, whole = snapshot(net.encoder), snapshot(net)
        net(torch.randn(2, 1, 64, 64)).square().mean().backward()
        torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1).step()
        assert changed(net.encoder, encoder) == []
        assert changed(net, whole)


class TestUnet(NetTests):
    model = "unet"


class TestUnetTimm(NetTests):
    model = "unet"
    small = ("model.encoder=tu-resnet10t",)


class TestUnetKeptHead(NetTests):
    """smp's efficientnet keeps a head that the logits do not depend on."""

    model = "unet"
    small = ("model.encoder=efficientnet-b0",)


class TestUnetPlusPlus(NetTests):
    model = "unetplusplus"


class TestManet(NetTests):
    model = "manet"


class TestDeepLabV3(NetTests):
    model = "deeplabv3"


class TestDeepLabV3Plus(NetTests):
    model = "deeplabv3plus"


class TestFpn(NetTests):
    model = "fpn"


class TestSegformer(NetTests):
    model = "segformer"
    small = ()


class TestUnetClassic(NetTests):
    model = "unet_classic"
    small = ("model.width=4", "model.depth=3")


class TestUnetClassicBilinear(NetTests):
    model = "unet_classic"
    small = ("model.width=4", "model.depth=2", "model.bilinear=true")


def test_every_yaml_is_tested() -> None:
    assert {cls.model for cls in NetTests.__subclasses__()} | {"unet3d"} == {
        p.stem for p in (CONF / "model").glob("*.yaml")
    }  # of volumes: test_unet3d.py


def test_unet_classic_is_the_papers() -> None:
    """31 million parameters, 1024 channels at the bottom, 16 times smaller."""
    net = unet_classic.build(in_channels=1, regions=2)
    features = net.encoder(torch.zeros(1, 1, 32, 32))
    assert [f.shape[1:] for f in features] == [(64 * 2**i, 32 // 2**i, 32 // 2**i) for i in range(5)]
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(31.04e6, rel=0.001)


@pytest.mark.parametrize(
    "encoder", ["mit_b0", "mobileone_s0", "densenet121", "vgg11", "tu-mobilenetv3_small_050", "tu-convnext_atto"]
)
def test_other_encoders_take_one_channel(encoder: str) -> None:
    net = smp.build(arch="segmentation_models_pytorch.Unet", encoder=encoder, in_channels=1, regions=1).eval()
    assert net(torch.randn(1, 1, 33, 40)).shape == (1, 1, 33, 40)


def test_options_reach_the_class(conf: Path) -> None:
    assert composed(conf, "model=fpn", "+model.decoder_dropout=0.7").net.decoder.dropout.p == 0.7
    net = composed(conf, "model.encoder=resnet18", "+model.decoder_channels=[64,32,16,8,4]")
    assert net.net.segmentation_head[0].in_channels == 4


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["+model.decoder_chanels=[1]"], ["model.decoder_chanels", "model.decoder_channels"]),
        (["model.encoder=tu-resnet10t", "+model.nonsense=1"], ["model.nonsense"]),
        (["+model.activation=sigmoid"], ["model.activation", "logits"]),
        (["model=unet_classic", "+model.widht=3"], ["model.widht", "width"]),
        (["model=unet_classic", "model.depth=0"], ["model.depth=0"]),
        (["+model.decoder_channels=[8,8]"], ["model.decoder_channels=[8, 8]", "5"]),
        (["model.encoder=resnet43"], ["resnet43", "resnet34"]),
        (["model.encoder=convnext_tiny"], ["tu-convnext_tiny"]),
        (["model.encoder=tu-resnet10x"], ["tu-resnet10t"]),
        (["model.encoder=tu-resnet18.no_such_tag"], ["tu-resnet18.a1_in1k"]),
        (["model=deeplabv3", "model.encoder=densenet121"], ["densenet121", "DeepLabV3", "dilated"]),
        (["model=unetplusplus", "model.encoder=mit_b0"], ["mit_b0", "UnetPlusPlus"]),
        (["model.encoder=tu-vit_tiny_patch16_224"], ["tu-vit_tiny_patch16_224", "Unet"]),
        (["model.encoder=tu-swin_tiny_patch4_window7_224"], ["tu-swin_tiny_patch4_window7_224"]),
        (["model.arch=segmentation_models_pytorch.Unett"], ["model.arch", "no such class"]),
        (["model.weights=x.pth"], ["pretrained=false", "pretrained=true"]),
        (["model=unet_classic", "model.weights=x.pth"], ["pretrained=false", "pretrained=true"]),
        (["model=unet_classic", "pretrained=true"], ["unet_classic", "model.weights", "pretrained=false"]),
    ],
)
def test_mistakes_are_one_clear_line(conf: Path, overrides: list[str], said: list[str]) -> None:
    with hydra.initialize_config_dir(str(conf), version_base="1.3"):
        options = OmegaConf.to_container(hydra.compose("top", overrides).model, resolve=True)
    assert isinstance(options, dict)
    options.pop("name")
    target = hydra.utils.get_method(options.pop("_target_"))
    with pytest.raises(UserError) as caught:
        target(in_channels=1, regions=1, **options)
    assert "\n" not in str(caught.value)
    for words in said:
        assert words in str(caught.value)


def test_hydra_keeps_the_users_error_as_the_cause(conf: Path) -> None:
    with pytest.raises(hydra.errors.InstantiationException) as caught:
        composed(conf, "model.encoder=resnet43")
    assert isinstance(caught.value.__cause__, UserError)
