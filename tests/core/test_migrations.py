"""A run directory of the version before the modules moved is judged, gone on with and compared as it was."""

import shutil

import pytest
import yaml

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.migrations import MOVED_MODULES, with_moved_targets
from lungseg.core.run_directory import Run
from lungseg.evaluation.evaluate import evaluate
from lungseg.training.train import train
from tests.helpers import sha256, vouch

EARLIER = {today: before for before, today in MOVED_MODULES.items()}


def as_before(values):
    """The same config as the version before would have written it."""
    if isinstance(values, dict):
        return {
            key: f"{EARLIER.get(inner.rpartition('.')[0], inner.rpartition('.')[0])}.{inner.rpartition('.')[2]}"
            if key == "_target_"
            else as_before(inner)
            for key, inner in values.items()
        }
    return [as_before(inner) for inner in values] if isinstance(values, list) else values


@pytest.fixture
def earlier(lung_runs, tmp_path):
    run = tmp_path / "earlier"
    shutil.copytree(lung_runs / "a", run)
    content = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(as_before(content), sort_keys=False))
    vouch(run)
    return run


def test_every_module_that_a_config_named_before_has_its_place():
    config = yaml.safe_load(yaml.safe_dump(as_before({"loss": {"_target_": "lungseg.tasks.losses.segmentation.Dice"}})))
    assert config == {"loss": {"_target_": "lungseg.losses.Dice"}}
    assert with_moved_targets(config) == {"loss": {"_target_": "lungseg.tasks.losses.segmentation.Dice"}}
    assert with_moved_targets([{"_target_": "theirs.Net", "x": None}]) == [{"_target_": "theirs.Net", "x": None}]


def test_a_run_of_before_is_judged_as_it_was(earlier, lung_runs):
    assert "lungseg.losses." in (earlier / "config.yaml").read_text()
    assert Run(earlier).config() == Run(lung_runs / "a").config()
    evaluate(evaluate_config([f"run={earlier}", f"out={earlier / 'again'}"]))
    first = earlier / "evaluation" / "phantom-test" / "cases.csv"
    assert sha256(earlier / "again" / "cases.csv") == sha256(first)


def test_a_run_of_before_goes_on(earlier):
    Run(earlier).update_manifest(status="running")
    run = train(train_config([f"resume={earlier}"]))
    assert run.manifest()["status"] == "finished"


def test_a_config_of_ones_own_may_name_the_earlier_place(tmp_path):
    words = ["data.count=24", "data.pixels=32", "data.size=32", "data.batch_size=4", "data.workers=0", "trainer=cpu"]
    words += ["model=unet_classic", "model.width=4", "model.depth=2", "trainer.max_epochs=1", "logger=none"]
    run = train(train_config([*words, "loss._target_=lungseg.losses.BCEDice", f"run_dir={tmp_path / 'run'}"]))
    assert run.config().loss.target == "lungseg.tasks.losses.segmentation.BCEDice"
