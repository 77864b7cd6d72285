import os
import pickle

import pytest
import torch

from lungseg.core.errors import UserError
from lungseg.inference.checkpoint_reader import load_checkpoint
from lungseg.training.checkpoints import AtomicIO
from tests.helpers import fill_the_disk

GOOD = {"state_dict": {"w": torch.arange(1000.0)}, "epoch": 3}


class _Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_what_is_written_is_read(tmp_path):
    AtomicIO().save_checkpoint(GOOD, tmp_path / "checkpoints" / "best.ckpt")
    read = load_checkpoint(tmp_path / "checkpoints" / "best.ckpt")
    assert read["epoch"] == 3
    assert torch.equal(read["state_dict"]["w"], GOOD["state_dict"]["w"])
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["best.ckpt"]


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path, monkeypatch, writer):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "best.ckpt"
    if writer == "torch":
        torch.save({"state_dict": {}, "x": _Bomb()}, path)
    else:
        path.write_bytes(pickle.dumps({"state_dict": {}, "x": _Bomb()}))
    with pytest.raises(UserError, match=r"best\.ckpt: (refused|not a checkpoint)"):
        load_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_named(tmp_path, share):
    path = tmp_path / "best.ckpt"
    torch.save(GOOD, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(UserError, match=r"best\.ckpt: (truncated|not a checkpoint)") as caught:
        load_checkpoint(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_checkpoint_and_one_without_weights(tmp_path):
    with pytest.raises(UserError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "best.ckpt")
    torch.save({"a": 1}, tmp_path / "best.ckpt")
    with pytest.raises(UserError, match="holds no state_dict"):
        load_checkpoint(tmp_path / "best.ckpt")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_keeps_the_older_checkpoint_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    target = tmp_path / "run" / "checkpoints" / "last.ckpt"
    AtomicIO().save_checkpoint(GOOD, target)
    fill_the_disk(monkeypatch)
    with pytest.raises(UserError, match=r"last\.ckpt: cannot be written: the disk is full; .* resume=.*run"):
        AtomicIO().save_checkpoint(GOOD | {"epoch": 4}, target)
    assert [path.name for path in target.parent.iterdir()] == ["last.ckpt"]
    assert load_checkpoint(target)["epoch"] == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_disk_that_is_full_from_the_first_promises_no_checkpoint(tmp_path, monkeypatch):
    target = tmp_path / "run" / "checkpoints" / "best.ckpt"
    target.parent.mkdir(parents=True)
    fill_the_disk(monkeypatch)
    with pytest.raises(UserError, match="the disk is full; free space, then train again"):
        AtomicIO().save_checkpoint(GOOD, target)
    assert list(target.parent.iterdir()) == []
