import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from hydra.utils import instantiate

from lungseg.core.config.compose import compose, options
from lungseg.tasks.losses import segmentation

ALL = options("loss")


def build(name):
    return instantiate(compose([f"loss={name}"]).loss)


def batch(kind, k=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, k, 16, 20, generator=generator, requires_grad=True)
    random = (torch.rand(3, 1, 16, 20, generator=generator) > torch.linspace(0.5, 0.8, k).view(1, k, 1, 1)).float()
    return logits, {"random": random, "empty": random * 0, "full": random * 0 + 1}[kind].expand(3, k, 16, 20)


def test_the_losses_of_the_field_are_there():
    assert set(ALL) == {"bce", "dice", "bce_dice", "tversky", "focal", "lovasz", "cross_entropy"}


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("kind", ["random", "empty", "full"])
@pytest.mark.parametrize("name", ALL)
def test_a_step_downhill_helps_whatever_the_masks(name, kind, k):
    loss = build(name)
    logits, masks = batch(kind, k)
    value = loss(logits, masks)
    assert torch.isfinite(value)
    value.backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() > 1e-7
    if kind != "random":  # on empty masks the probability of the outer region must fall, on full ones rise
        towards = loss.probabilities(logits - 10 * logits.grad / logits.grad.abs().max())[:, 0].mean()
        change = towards - loss.probabilities(logits)[:, 0].mean()
        assert change < 0 if kind == "empty" else change > 0
    assert loss(logits.detach() - 1e-2 * logits.grad / logits.grad.abs().max(), masks) < value


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("name", ALL)
def test_a_perfect_prediction_costs_nothing(name, k):
    _, masks = batch("random", k)
    logits = (masks * 2 - 1) * 30
    if name == "cross_entropy" and k == 2:
        logits = torch.stack([masks[:, 0] * 30 - 15, masks[:, 1] * 60 - 30], 1)
    assert build(name)(logits, masks) < 1e-2


def test_bce_focal_and_lovasz_are_the_well_known_ones():
    logits, masks = batch("random", 2)
    assert build("bce")(logits, masks).item() == pytest.approx(smp.losses.SoftBCEWithLogitsLoss()(logits, masks).item())
    p = logits.sigmoid()
    by_hand = -(0.5 * (1 - p) ** 2 * masks * p.log() + 0.5 * p**2 * (1 - masks) * (1 - p).log()).mean()
    assert build("focal")(logits, masks).item() == pytest.approx(by_hand.item(), rel=1e-5)
    per_region = [smp.losses.LovaszLoss("binary", per_image=True)(logits[:, k], masks[:, k]).item() for k in (0, 1)]
    assert build("lovasz")(logits, masks).item() == pytest.approx(np.mean(per_region), rel=1e-6)


def test_dice_and_tversky_follow_their_formulas():
    logits, masks = batch("random", 2)
    p, m = logits.sigmoid().detach().double().numpy(), masks.double().numpy()
    tp, fp, fn = (p * m).sum((2, 3)), (p * (1 - m)).sum((2, 3)), ((1 - p) * m).sum((2, 3))
    assert build("dice")(logits, masks).item() == pytest.approx(1 - (2 * tp / (2 * tp + fp + fn)).mean(), abs=2e-3)
    expected = 1 - (tp / (tp + 0.3 * fp + 0.7 * fn)).mean()
    assert build("tversky")(logits, masks).item() == pytest.approx(expected, abs=2e-3)
    total = build("bce")(logits, masks) + build("dice")(logits, masks)
    assert build("bce_dice")(logits, masks).item() == pytest.approx(total.item())


def test_tversky_makes_misses_dearer():
    masks = torch.zeros(1, 1, 8, 8)
    masks[..., :4] = 1
    misses, invents = masks.clone(), masks.clone()
    misses[..., :2] = 0
    invents[..., :6] = 1
    tversky, dice = build("tversky"), build("dice")
    assert tversky(misses * 40 - 20, masks) > dice(misses * 40 - 20, masks)
    assert tversky(invents * 40 - 20, masks) < dice(invents * 40 - 20, masks)


@pytest.mark.parametrize("name", ["dice", "tversky", "bce_dice"])
def test_resolution_does_not_change_the_loss(name):
    logits, masks = batch("random")
    big = [F.interpolate(x, scale_factor=4, mode="nearest") for x in (logits, masks)]
    assert build(name)(*big).item() == pytest.approx(build(name)(logits, masks).item(), rel=1e-5)


def test_cross_entropy_is_over_exclusive_labels_and_its_regions_nest():
    loss = build("cross_entropy")
    logits, masks = batch("random", 2)
    masks = torch.stack([masks[:, 0], masks[:, 0] * masks[:, 1]], 1)
    own = torch.cat([torch.zeros_like(logits[:, :1]), logits], 1).softmax(1)
    labels = masks.sum(1).long()
    by_hand = -own.gather(1, labels[:, None]).log().mean()
    assert loss(logits, masks).item() == pytest.approx(by_hand.item(), rel=1e-5)
    probabilities = loss.probabilities(logits)
    assert torch.allclose(probabilities[:, 1], own[:, 2], atol=1e-6)
    assert torch.allclose(probabilities[:, 0], own[:, 1] + own[:, 2], atol=1e-6)
    single = logits[:, :1]
    assert torch.allclose(loss.probabilities(single), single.sigmoid(), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_half_precision_logits_are_summed_in_full(name):
    logits, masks = batch("random")
    half = logits.detach().to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        value = build(name)(half, masks)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(build(name)(half.float(), masks).item(), rel=1e-5)


def test_the_base_has_no_loss_of_its_own():
    with pytest.raises(NotImplementedError):
        segmentation.RegionLoss()(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
