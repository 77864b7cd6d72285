"""Nets that cannot be: refused with the size that they would have, before they are built."""

import itertools

import pytest
import torch

from lungseg.core import net_size as size
from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.models import smp, unet_classic
from lungseg.training.train import train


def test_the_formula_counts_what_the_net_has():
    for width, depth, bilinear, regions in itertools.product((2, 3), (1, 2, 4), (True, False), (1, 2)):
        net = unet_classic.UNetClassic(1, regions, width, depth, bilinear)
        counted = sum(parameter.numel() for parameter in net.parameters())
        assert size.classic_parameters(1, regions, width, depth, bilinear) == counted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model.depth=50", "model.depth=50: 50 poolings leave nothing of data.size=256, and the net would have 1.5e+35 "
         "parameters, 1.1e+27 GiB with their gradients; expected at most 8, for example 4"),
        ("model.width=100000", "model.width=100000 model.depth=4: the net would have 75,740,020,900,001 parameters, "
         "564,307 GiB with their gradients; this machine has "),
    ],
)  # fmt: skip
def test_a_classic_net_that_cannot_fit_is_refused_before_an_image_is_read(tmp_path, monkeypatch, words, message):
    monkeypatch.setattr("lungseg.training.train.build_data", lambda *_: pytest.fail("images were read"))
    with pytest.raises(UserError) as caught:
        train(train_config(["model=unet_classic", "data.size=256", words, f"run_dir={tmp_path / 'run'}"]))
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_net_of_smp_that_cannot_fit_is_refused_without_building_it(monkeypatch):
    channels = [100_000, 100_000, 64, 32, 16]
    build = {"arch": "segmentation_models_pytorch.Unet", "encoder": "resnet18", "in_channels": 1, "regions": 1}
    with pytest.raises(UserError, match=r"^model\.encoder=resnet18 model\.decoder_channels=\[100000,100000,64,32,16\]: "
                                        r"the net would have 270,876,097,553 parameters, 2,018 GiB"):  # fmt: skip
        smp.build(**build, decoder_channels=channels)
    monkeypatch.setattr(size, "memory", lambda: 10**8)
    with pytest.raises(
        UserError, match=r"^model\.encoder=resnet18: the net would have 14,321,937 parameters, 0\.1 GiB"
    ):
        smp.build(**build)


def test_counting_draws_no_random_number():
    torch.manual_seed(0)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    options = {"encoder_name": "resnet18", "encoder_weights": None, "in_channels": 1}
    assert smp._count(lambda: smp._architecture("segmentation_models_pytorch.Unet")(**options)) == 14_321_937
    assert torch.equal(torch.rand(1), drawn)


def test_the_memory_of_a_container_is_its_limit(tmp_path):
    whole = size.memory(tmp_path)
    assert whole > 2**28
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    limit = tmp_path / "sys/fs/cgroup/memory.max"
    limit.write_text("max\n")
    assert size.memory(tmp_path) == whole
    limit.write_text("1000000\n")
    assert size.memory(tmp_path) == 1_000_000
