import json

import numpy as np
import pytest
from omegaconf import OmegaConf

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UserError
from lungseg.data.preprocessing import Box
from lungseg.evaluation.evaluate import evaluate
from lungseg.inference.lung_boxes import around
from lungseg.training.train import train
from tests.helpers import vouch

SMALL = ["data.count=36", "data.pixels=64", "data.size=32", "data.batch_size=4", "data.workers=0", "logger=none"]
SMALL += [
    "model=unet_classic",
    "model.width=4",
    "model.depth=2",
    "optim.lr=0.01",
    "trainer=cpu",
    "trainer.max_epochs=4",
]


def test_the_rectangle_holds_both_lungs_and_no_speck():
    lung = np.zeros((100, 200), bool)
    lung[20:80, 30:80], lung[25:85, 110:160], lung[2:4, 190:195] = True, True, True
    assert around(lung) == Box(17, 24, 71, 142)
    lung[20:80, 30:80] = False
    assert around(lung).left == 108
    assert around(np.zeros((100, 200), bool)) == Box(0, 0, 100, 200)
    speck = np.zeros((100, 200), bool)
    speck[5:10, 5:10] = True
    assert around(speck) == Box(0, 0, 100, 200)
    assert around(np.ones((100, 200), bool)) == Box(0, 0, 100, 200)


@pytest.fixture(scope="module")
def lungs(tmp_path_factory):
    return train(train_config([*SMALL, f"run_dir={tmp_path_factory.mktemp('lungs') / 'run'}"]))


def test_a_run_cut_to_another_runs_lungs_is_judged_at_full_size(lungs, tmp_path, capsys):
    words = [*SMALL, "task=lung_infection", f"data.crop={lungs.path}", "data.normalise=dataset", "data.aspect=pad"]
    run = train(train_config([*words, f"run_dir={tmp_path / 'run'}"]))
    assert "looking for the lungs of 36 cases" in capsys.readouterr().out
    mean, deviation = run.config().data.preprocessing.normalise
    assert 0.1 < mean < 0.9
    assert 0.05 < deviation < 0.5
    out = run.path / "evaluation" / "phantom-test"
    before = (out / "cases.csv").read_text()
    assert all(row.rsplit(",", 1)[1] == str(64 * 64) for row in before.splitlines()[1:])
    moved = lungs.path.rename(lungs.path.with_name("gone"))  # the run keeps what it needs to crop again
    assert evaluate(evaluate_config([f"run={run.path}"])).directory == out
    moved.rename(lungs.path)
    assert (out / "cases.csv").read_text() == before
    assert json.loads((out / "summary.json").read_text())["results"]["mean_mask"]["lung"]["dice"] > 0.3


def test_only_a_lung_run_on_whole_images_can_cut(lungs, tmp_path):
    words = [*SMALL, "trainer.max_epochs=1"]
    other = train(train_config([*words, "task=infection", f"run_dir={tmp_path / 'infection'}"]))
    with pytest.raises(UserError, match=r"data\.crop=.*a run of task=infection; expected one of task=lung"):
        train(train_config([*words, f"data.crop={other.path}", f"run_dir={tmp_path / 'a'}"]))
    cut = train(train_config([*words, f"data.crop={lungs.path}", f"run_dir={tmp_path / 'cut'}"]))
    with pytest.raises(UserError, match="was cropped itself"):
        train(train_config([*words, f"data.crop={cut.path}", f"run_dir={tmp_path / 'b'}"]))
    with pytest.raises(UserError, match=r"data\.crop=nowhere: no such directory"):
        train(train_config([*words, "data.crop=nowhere", f"run_dir={tmp_path / 'c'}"]))
    assert {path.name for path in tmp_path.iterdir()} == {"infection", "cut"}


def test_a_run_is_judged_by_the_preprocessing_in_its_config(lungs, tmp_path):
    words = [*SMALL, f"data.crop={lungs.path}", "data.normalise=image", "data.aspect=pad"]
    run = train(train_config([*words, f"run_dir={tmp_path / 'run'}"]))
    whole = run.config_file.read_text()
    tables = {(run.path / "evaluation" / "phantom-test" / "cases.csv").read_text()}
    for key, value in (("crop", None), ("normalise", [0.2, 0.5]), ("clahe", True)):
        changed = OmegaConf.create(whole)
        changed.data[key] = value
        run.config_file.write_text(OmegaConf.to_yaml(changed))
        vouch(run.path)
        tables.add((evaluate(evaluate_config([f"run={run.path}"])).directory / "cases.csv").read_text())
    assert len(tables) == 4
