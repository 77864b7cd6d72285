"""Precisions that train, and no more processes than a machine has devices for."""

import pytest
import torch

from lungseg.core.config.command_line import train_config
from lungseg.core.config.compose import compose, plain
from lungseg.core.config.trainer_config import TrainerConfig
from lungseg.core.config.validation import require_values
from lungseg.core.errors import UserError
from lungseg.core.rank_environment import RankEnvironment
from lungseg.training import trainer
from lungseg.training.train import train


def on(accelerator, devices):
    return TrainerConfig(1, accelerator, devices, "32-true", channels_last=False, save_every_minutes=10)


@pytest.mark.parametrize("precision", ["64", "64-true", "bf16-true", "16-true", "transformer-engine"])
def test_a_precision_that_no_run_can_be_trained_with_is_refused_with_those_that_work(precision):
    with pytest.raises(UserError) as caught:
        require_values(plain(compose([f"trainer.precision={precision}"])))
    said = f"trainer.precision={precision}: expected auto, 32-true, 16-mixed, bf16-mixed, 16, 32 or bf16, for example"
    assert str(caught.value).startswith(said)


def test_more_processes_than_cores_are_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "machine_cores", lambda: 4)
    with pytest.raises(UserError, match=r"^trainer\.devices=99: 99 processes on 4 CPU cores; expected at most 4"):
        train(train_config(["trainer=cpu", "trainer.devices=99", "logger=none", f"run_dir={tmp_path / 'run'}"]))
    assert list(tmp_path.iterdir()) == []


def test_two_processes_may_share_a_core(monkeypatch):
    monkeypatch.setattr(trainer, "machine_cores", lambda: 1)
    assert trainer.place_of(on("cpu", 2), RankEnvironment()).ranks == 2
    with pytest.raises(UserError, match="3 processes on 1 CPU core; expected at most 2"):
        trainer.place_of(on("cpu", 3), RankEnvironment())


@pytest.mark.parametrize("devices", [3, [0, 2], "1,2", [5]])
def test_more_gpus_than_there_are_are_refused(monkeypatch, devices):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match=r"^trainer\.devices=.*: torch finds 2 GPUs here; expected at most 2, or which"):
        trainer.place_of(on("gpu", devices), RankEnvironment())


@pytest.mark.parametrize(("devices", "ranks"), [(2, 2), ([0, 1], 2), ("0,1", 2), ([1], 1)])
def test_gpus_that_are_there_are_taken(monkeypatch, devices, ranks):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert trainer.place_of(on("gpu", devices), RankEnvironment()).ranks == ranks


def test_ranks_that_something_else_has_started_are_its_own_to_count(monkeypatch):
    monkeypatch.setattr(trainer, "machine_cores", lambda: 1)
    assert trainer.place_of(on("cpu", 4), RankEnvironment(ranks=4, by="srun")).ranks == 4


@pytest.mark.parametrize(
    ("words", "mix"),
    [
        ([], {"COVID-19": 0.4, "Non-COVID": 0.3, "Normal": 0.3}),
        (["data.mix={Normal: 1}"], {"Normal": 1}),
        (["data.mix={Normal:0.5,COVID-19:0.5}"], {"Normal": 0.5, "COVID-19": 0.5}),
    ],
)
def test_the_mix_that_is_given_is_the_whole_of_it(words, mix):
    assert require_values(plain(compose(words)))["data"]["mix"] == mix
