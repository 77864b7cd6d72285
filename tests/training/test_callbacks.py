"""Takes away what watches a training, and adds a callback of a user's own, by the config."""

import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.training.train import train

SMALL = ["data.count=36", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "trainer=cpu",
         "model=unet_classic", "model.width=4", "model.depth=2", "trainer.max_epochs=1", "logger=none"]  # fmt: skip


def fit(path, *words):
    return train(train_config([*SMALL, *words, f"run_dir={path}"]))


def test_pictures_can_be_fewer_or_none_and_the_weights_are_the_same(tmp_path):
    import torch

    from lungseg.inference.checkpoint_reader import load_checkpoint

    plain, quiet = fit(tmp_path / "plain", "callbacks.overlays.number=2"), fit(tmp_path / "quiet", "callbacks=quiet")
    assert (plain.path / "curves.png").is_file()
    assert [path.name for path in plain.overlays.iterdir()] == ["epoch-001.png"]
    assert not (quiet.path / "curves.png").exists()
    assert not quiet.overlays.exists() or not list(quiet.overlays.iterdir())
    one, other = (load_checkpoint(run.best)["state_dict"] for run in (plain, quiet))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_callback_of_lightnings_own_is_added_and_one_is_taken_away(tmp_path):
    added = "+callbacks.rate._target_=pytorch_lightning.callbacks.LearningRateMonitor"
    run = fit(tmp_path / "run", added, "+callbacks.rate.logging_interval=epoch", "callbacks.curves=null")
    assert "lr-AdamW" in run.metrics_file.read_text().splitlines()[0]
    assert not (run.path / "curves.png").exists()
    assert Run(run.path).config().callbacks["curves"] is None


def test_a_key_that_a_callback_does_not_take_is_told_before_anything_is_made(tmp_path):
    with pytest.raises(UserError, match=r"callbacks.overlays.numbr: Overlays has no such option; did you mean number"):
        fit(tmp_path / "run", "+callbacks.overlays.numbr=3")
    with pytest.raises(UserError, match=r"callbacks.overlays.number=0: expected a number of cases"):
        fit(tmp_path / "run", "callbacks.overlays.number=0")
    assert not (tmp_path / "run").exists()
