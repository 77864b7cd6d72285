import io

import pytest
import torch
from hydra.utils import instantiate

from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import compose, options
from lungseg.core.errors import UserError
from lungseg.tasks.build import build_module

STEPS, PER_EPOCH = 100, 10


def build(name, steps=STEPS, lr=0.1, **changes):
    optimizer = instantiate(compose(["optim=sgd", f"optim.lr={lr}"]).optim)([torch.nn.Parameter(torch.zeros(1))])
    words = [f"schedule={name}", *(f"schedule.{key}={value}" for key, value in changes.items())]
    return optimizer, instantiate(compose(words).schedule)(optimizer, steps=steps, steps_per_epoch=PER_EPOCH)


def curve(name, steps=STEPS, start=0, built=None, **changes):
    optimizer, config = built or build(name, steps, **changes)
    rates = []
    for _ in range(start, steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if config is not None:
            config["scheduler"].step()
    return rates


def test_cosine_warms_up_then_falls_to_its_floor():
    rates = curve("cosine", warmup=0.1)
    assert rates[0] == pytest.approx(0.1 / 11)
    assert rates[10] == pytest.approx(0.1)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.001 + 0.099 / 2, rel=1e-3)
    assert rates[-1] < 0.0011


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("name", ["cosine", "restarts", "none"])
def test_runs_of_a_few_steps_have_a_rate(name, steps):
    assert all(0 < rate <= 0.1 for rate in curve(name, steps))


def test_restarts_start_again_each_longer():
    rates = curve("restarts", epochs=2, longer=2)
    tops = [step for step, rate in enumerate(rates) if rate == pytest.approx(0.1)]
    assert tops == [0, 20, 60]


def test_none_stays():
    assert set(curve("none")) == {0.1}


def test_plateau_watches_the_monitor_and_lowers():
    optimizer, config = build("plateau", patience=1, factor=0.5)
    assert config["monitor"] == "val/dice"
    for score in (0.5, 0.6, 0.6, 0.6):
        config["scheduler"].step(score)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize(("monitor", "rate"), [("val/loss", 1e-3), ("val/dice", 5e-4)])
def test_plateau_knows_of_what_it_watches_whether_smaller_is_better(monitor, rate):
    words = ["schedule=plateau", f"schedule.monitor={monitor}", "schedule.patience=1", "schedule.factor=0.5"]
    module = build_module(train_config([*words, "model=unet_classic", "model.width=2", "model.depth=1"]))
    optimizer = module._optimizer([torch.nn.Parameter(torch.zeros(1))])
    config = module._schedule(optimizer, steps=STEPS, steps_per_epoch=PER_EPOCH)
    for value in (0.6, 0.5, 0.4, 0.3):
        config["scheduler"].step(value)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)


def test_plateau_refuses_to_watch_what_nobody_measures():
    with pytest.raises(UserError, match=r"^schedule\.monitor=val/dise: nothing .* measured; did you mean val/dice\?"):
        build_module(train_config(["schedule=plateau", "schedule.monitor=val/dise", "model=unet_classic"]))


@pytest.mark.parametrize("name", [name for name in options("schedule") if name not in ("none", "plateau")])
def test_a_restored_schedule_goes_on_along_the_same_curve(name):
    whole = curve(name)
    optimizer, config = build(name)
    curve(name, 37, built=(optimizer, config))
    buffer = io.BytesIO()
    torch.save({"s": config["scheduler"].state_dict(), "o": optimizer.state_dict()}, buffer)
    buffer.seek(0)
    state = torch.load(buffer, weights_only=True)
    optimizer, config = build(name)
    config["scheduler"].load_state_dict(state["s"])
    optimizer.load_state_dict(state["o"])
    assert curve(name, STEPS, 37, (optimizer, config)) == whole[37:]
