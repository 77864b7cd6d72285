"""A run whose data was moved goes on by the words that its user types."""

import pytest

from lungseg.core.config.command_line import train_config
from lungseg.training.train import train
from tests.helpers import run_warm

SMALL = ["data.size=32", "data.batch_size=4", "data.workers=0", "logger=none", "model=unet_classic", "model.width=2"]
SMALL += ["model.depth=1", "trainer=cpu", "trainer.max_epochs=1"]


@pytest.fixture
def stopped_run(tmp_path, folder_data):
    run = train(train_config([*SMALL, "data=folder", f"data.root={folder_data}", f"run_dir={tmp_path / 'run'}"]))
    run.update_manifest(status="stopped")
    return run


def test_a_run_whose_data_was_moved_goes_on_from_where_it_is(tmp_path, folder_data, stopped_run):
    folder_data.rename(tmp_path / "moved")
    words = [f"resume={stopped_run.path}", f"data.root={tmp_path / 'moved'}", "data.workers=0", "data.pack=false"]
    result = run_warm("train.py", *words, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert stopped_run.manifest()["status"] == "finished"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["data.root=nowhere"], 1, "error: data.root=nowhere: no such folder"),
        (["data.workers=many"], 1, "error: data.workers=many: expected auto"),
        (["data.size=64"], 2, "error: data.size: a resumed run keeps its own config; with resume= only data.root,"),
        (["data.rot=x"], 2, "error: data.rot: no such key or group"),
    ],
)
def test_other_words_are_refused(tmp_path, stopped_run, words, code, said):
    result = run_warm("train.py", f"resume={stopped_run.path}", *words, cwd=tmp_path)
    assert result.stderr.startswith(said)
    assert (result.returncode, len(result.stderr.splitlines())) == (code, 1)
    assert stopped_run.manifest()["status"] == "stopped"


def test_without_a_run_to_go_on_with_the_default_data_has_no_root(tmp_path):
    result = run_warm("train.py", "data.root=x", cwd=tmp_path)
    assert (result.returncode, result.stderr.startswith("error: data.root: no such key or group")) == (2, True)
