"""What a full disk leaves behind, for each kind of file that a run writes."""

import logging
import os

import numpy as np
import pytest

from lungseg.core import log_output
from lungseg.core.atomic_io import write_atomically
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.tasks.segmentation.mean_mask import load_mean_mask, save_mean_mask
from lungseg.training.callbacks import draw_curves
from lungseg.training.metrics_file import MetricsFile
from tests.helpers import fill_the_disk, segmentation

full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")


def write_metrics(path):
    file = MetricsFile(path)
    file.log_metrics({"val/dice": 0.5, "epoch": 0}, 1)
    file.save()


WRITERS = {
    "config.yaml": lambda path: write_atomically(path, "a: 1\n"),
    "manifest.json": lambda path: Run(path.parent).update_manifest(seed=1),
    "metrics.csv": write_metrics,
    "mean_mask.npz": lambda path: save_mean_mask(np.ones((1, 64, 64), bool), path),
    "curves.png": lambda path: draw_curves(
        [{"epoch": 1, "step": 0, "val/loss": 1.0}], path, segmentation("lung").headline
    ),
}


@full
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_keeps_the_file_as_it_was(tmp_path, monkeypatch, name):
    path = tmp_path / name
    WRITERS[name](path)
    before = path.read_bytes()
    fill_the_disk(monkeypatch)
    with pytest.raises(UserError, match=f"{name}: cannot be written: the disk is full; free space") as caught:
        WRITERS[name](path)
    assert len(str(caught.value).splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == before


def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"config\.yaml: cannot be written: (File exists|Not a directory)"):
        write_atomically(tmp_path / "file" / "config.yaml", "a: 1\n")


def test_a_block_that_fails_leaves_nothing_new(tmp_path, monkeypatch):
    save_mean_mask(np.ones((1, 8, 8), bool), tmp_path / "mean_mask.npz")
    monkeypatch.setattr(np, "savez_compressed", lambda path, **_: (path.write_bytes(b"half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        save_mean_mask(np.zeros((1, 8, 8), bool), tmp_path / "mean_mask.npz")
    assert load_mean_mask(tmp_path / "mean_mask.npz").all()
    assert [file.name for file in tmp_path.iterdir()] == ["mean_mask.npz"]


@full
def test_a_log_file_on_a_full_disk_says_nothing_of_itself(tmp_path, capfd):
    (tmp_path / "train.log").symlink_to("/dev/full")
    log_output.to_screen()
    with log_output.to_file(tmp_path / "train.log"):
        logging.getLogger("lungseg").info("epoch 1")
    out, err = capfd.readouterr()
    assert out == "epoch 1\n"
    assert err == ""
