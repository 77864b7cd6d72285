"""Each file of a run directory damaged in turn: one line that names it, wherever it is read."""

import io
import json
import os
import pickle
import shutil
import zipfile
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lungseg.comparison.discover import Wanted, gather
from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UserError
from lungseg.core.run_directory import Run
from lungseg.core.security.checkpoint_content import _are_counts, require_checkpoint
from lungseg.data.sources import phantom
from lungseg.evaluation.evaluate import evaluate
from lungseg.evaluation.loggers.wandb_run import _run_id
from lungseg.evaluation.thumbnails import Pictures
from lungseg.inference.lung_boxes import lung_boxes
from lungseg.sweep.run.exit_status import values_of
from lungseg.sweep.spec.settings import Objective
from lungseg.training.train import train
from tests.helpers import vouch

JUDGEMENT = "evaluation/phantom-test"
GARBAGE = {
    "empty": b"",
    "an object": b"{}",
    "a list": b"[1, 2]",
    "a text": b'"x"',
    "nested": b"[" * 3000 + b"]" * 3000,
    "huge": b'{"a": 1e999}',
    "no UTF-8": b'\xff\xfe{"a": 1}',
    "binary": bytes(range(256)),
}


@pytest.fixture(scope="module")
def damaged(lung_runs, tmp_path_factory):
    """Makes a copy of a finished run with another content of one file: bytes, a change of the content, or a kind."""
    place = tmp_path_factory.mktemp("damaged") / "run"

    def make(name, content):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(lung_runs / "b", place)
        path = place / name
        before = path.read_bytes()
        path.unlink()
        if content == "folder":
            path.mkdir()
        elif content == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(content(before) if callable(content) else content)
        return place

    return make


def evaluated(run, lung_runs):
    evaluate(evaluate_config([f"run={run}", f"out={run / 'out'}"]))


def resumed(run, lung_runs):
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"status": "stopped"}))
    train(train_config([f"resume={run}"]), [f"resume={run}"])


def compared(run, lung_runs):
    gather([lung_runs / "a", run], Wanted())


def searched(run, lung_runs):
    values_of(run, [Objective("val/dice", "maximize")])


def refused(read, run, lung_runs, name, said=""):
    """One line that begins with the file."""
    with pytest.raises(UserError) as caught:
        read(run, lung_runs)
    message = str(caught.value)
    assert message.startswith(f"{run / name}: ") or message.startswith(f"{run}: {name} is missing"), message
    assert said in message, message
    assert len(message.splitlines()) == 1
    assert len(message) < 700


def as_json(change):
    def changed(content):
        value = json.loads(content)
        change(value)
        return json.dumps(value).encode()

    return changed


def as_checkpoint(change):
    def changed(content):
        value = torch.load(io.BytesIO(content), weights_only=True)
        change(value)
        out = io.BytesIO()
        torch.save(value, out)
        return out.getvalue()

    return changed


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


READ = {
    "manifest.json": [evaluated, compared],
    "splits.json": [evaluated, compared, resumed],
    "thresholds.json": [evaluated],
    "mean_mask.npz": [evaluated],
    "metrics.csv": [resumed, searched],
    "checkpoints/best.ckpt": [evaluated],
    "checkpoints/last.ckpt": [resumed],
    f"{JUDGEMENT}/summary.json": [compared],
}


@pytest.mark.parametrize("name", READ)
def test_garbage_a_folder_and_a_pipe_in_place_of_a_file(damaged, lung_runs, name):
    for content in (*GARBAGE.values(), lambda before: before[: len(before) // 2], "folder", "pipe"):
        if content == b"{}" and name == "thresholds.json":
            continue  # none are kept yet
        if isinstance(content, bytes) and name == "metrics.csv":
            content = b"epoch,step,val/dice\n" + content + b"\n1,x,0.5,7\n"
        for read in READ[name]:
            run = damaged(name, content)
            if name not in ("manifest.json", "splits.json") and not isinstance(content, str):
                vouch(run)
            refused(read, run, lung_runs, name)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("status", [1, [], {}]),
        ("git", ["x", []]),
        ("command", [1, []]),
        ("data_fingerprint", [1, None, []]),
        ("split", ["x", None, {"sha256": 1}]),
        ("cases", [[], {"train": "x"}, {"train": True}]),
        ("sha256", ["x", {"config.yaml": 1}]),
        ("epochs", ["x", 10**30, 1.5]),
        ("training_seconds", ["x", True]),
        ("format", ["1", 2]),
    ],
)
def test_a_value_of_the_wrong_kind_in_the_manifest(damaged, lung_runs, key, values):
    for value in values:
        run = damaged("manifest.json", as_json(lambda content, value=value: content.update({key: value})))
        for read in (evaluated, compared):
            refused(read, run, lung_runs, "manifest.json", key)


def test_sides_of_the_split_that_are_none(damaged, lung_runs):
    for side, said in (([1], "train has a list of 1"), ({"x": 1}, "train: expected case ids"), ("x", 'train has "x"')):
        run = damaged("splits.json", as_json(lambda content, side=side: content.update(train=side)))
        vouch(run)
        refused(evaluated, run, lung_runs, "splits.json")
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps(manifest | {"cases": {"train": 24}}))
        refused(
            evaluated, run, lung_runs, "splits.json", said if isinstance(side, dict) is False else "train has 1 cases"
        )
    run = damaged("splits.json", as_json(lambda content: content.update(test={})))
    vouch(run)
    refused(evaluated, run, lung_runs, "splits.json", "test has no case")


def test_thresholds_that_are_none(damaged, lung_runs):
    for entry in ("0.5", 0.5, [], {"weights": 1, "thresholds": {"lung": 0.5}}):
        run = damaged("thresholds.json", as_json(lambda content, entry=entry: content.update(none=entry)))
        refused(evaluated, run, lung_runs, "thresholds.json", "'none' is ")
    for chosen in ("x", {}, {"lung": "0.5"}, {"lung": 2}, {"lung": True}, {"liver": 0.5}, [0.5]):
        run = damaged("thresholds.json", as_json(lambda c, chosen=chosen: c["none"].update(thresholds=chosen)))
        refused(evaluated, run, lung_runs, "thresholds.json", "remove it, and it is made again")


def test_a_mean_mask_of_another_kind_or_with_code_in_it(damaged, lung_runs, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    for arrays in (
        {"mask": np.ones((2, 32, 32), bool)},
        {"mask": np.ones((32, 32), bool)},
        {"mask": np.full((1, 32, 32), np.nan)},
        {"mask": np.full((1, 3, 3), "a")},
        {"mask": np.ones((1, 0, 0), bool)},
        {"other": np.ones((1, 32, 32), bool)},
        {"mask": np.array([[[Bomb()]]], dtype=object)},
    ):
        run = damaged("mean_mask.npz", npz(**arrays))
        vouch(run)
        refused(evaluated, run, lung_runs, "mean_mask.npz", "cannot be read (")
    run = damaged("mean_mask.npz", pickle.dumps(Bomb()))
    vouch(run)
    refused(evaluated, run, lung_runs, "mean_mask.npz")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_a_checkpoint_whose_epoch_or_weights_are_none(damaged, lung_runs, name):
    read = evaluated if name == "best.ckpt" else resumed
    for key, value in [("epoch", value) for value in ("x", None, -1, 1.5, True)] + [("state_dict", {"a": "b"})]:
        run = damaged(f"checkpoints/{name}", as_checkpoint(lambda content, k=key, v=value: content.update({k: v})))
        vouch(run)
        refused(read, run, lung_runs, f"checkpoints/{name}", key)
    run = damaged(f"checkpoints/{name}", as_checkpoint(lambda content: content["state_dict"].popitem()))
    vouch(run)
    refused(read, run, lung_runs, f"checkpoints/{name}", "does not fit the net in")


def test_best_weights_that_are_no_numbers(damaged, lung_runs):
    def spoil(content):
        next(iter(content["state_dict"].values())).fill_(float("nan"))

    run = damaged("checkpoints/best.ckpt", as_checkpoint(spoil))
    vouch(run)
    refused(evaluated, run, lung_runs, "checkpoints/best.ckpt", "holds what is no finite number")


def test_a_last_checkpoint_from_which_training_cannot_go_on(damaged, lung_runs):
    changes = [
        lambda content: content.pop("global_step"),
        lambda content: content.update(optimizer_states="x"),
        lambda content: content.update(optimizer_states=[]),
        lambda content: content.update(lr_schedulers=[{}]),
        lambda content: content.update(loops={"fit_loop": {"a": 1}}),
        lambda content: content["loops"]["fit_loop"]["epoch_progress"].update(current={"ready": -1}),
        lambda content: content["callbacks"]["KeepCheckpoints"].update(best_score="x"),
        lambda content: content["callbacks"]["Throughput"].update(images="x"),
        lambda content: content["callbacks"]["EpochLoss"].update(total=[1.0]),
        lambda content: content["optimizer_states"].__setitem__(0, {"state": {}, "param_groups": []}),
    ]
    for change in changes:
        run = damaged("checkpoints/last.ckpt", as_checkpoint(change))
        refused(resumed, run, lung_runs, "checkpoints/last.ckpt", "start a new run")


def test_numbers_of_training_that_are_none(damaged, lung_runs):
    for text in (
        "epoch,val/dice\n1,0.5\n", "epoch,step,val/dice\nx,1,0.5\n", "epoch,step,val/dice\n1,1,z\n",
        "epoch,step\n1,1,0.5\n", "epoch,step,val/dice\n1\n", f"epoch,step\n{'9' * 5000},1\n",
        f"epoch,step,val/dice\n1,1,{'1' * 200_000}\n",
    ):  # fmt: skip
        run = damaged("metrics.csv", text.encode())
        refused(resumed, run, lung_runs, "metrics.csv", "restore it, or remove it to go on without")


def test_a_summary_with_values_of_the_wrong_kind(damaged, lung_runs):
    changes = {
        "regions": [[1], ["lung", "lung"], [], "lung"],
        "results": [[], {"model": []}, {"model": {"lung": "x"}}, {"model": {"lung": {"dice": "x"}}}],
        "cases": ["5", 0, True],
        "tta": [1, []],
        "threshold": ["0.5", []],
        "members": ["2"],
        "unit": [None, 1],
        "command": [["rm"]],
        "calibration": ["x", {"lung": 5}, {"lung": {"bins": [[1]]}}, {"lung": {"brier": "x"}}],
    }
    for key, values in changes.items():
        for value in values:
            name = f"{JUDGEMENT}/summary.json"
            run = damaged(name, as_json(lambda content, key=key, value=value: content.update({key: value})))
            refused(compared, run, lung_runs, name, key)


def test_a_data_set_without_a_name_is_said_so(damaged, lung_runs):
    run = damaged("config.yaml", lambda content: content.replace(b"  name: phantom\n", b""))
    vouch(run)
    refused(compared, run, lung_runs, "config.yaml", "data.name is nothing; expected the name of a data set")


def test_a_dashboards_id_that_is_none(damaged, lung_runs):
    run = damaged("config.yaml", lambda content: content)
    assert _run_id(run) == _run_id(run) == (run / "wandb_id").read_text().strip()
    for content in (b"", bytes(range(256)), b"../../x\n", b"a" * 2000, b"a\nb"):
        (run / "wandb_id").write_bytes(content)
        with pytest.raises(UserError, match=r"wandb_id: .*; remove it, and the run gets a new"):
            _run_id(run)


def test_kept_lung_boxes_that_are_damaged_are_found_again(lung_runs, tmp_path, monkeypatch):
    monkeypatch.setenv("LUNGSEG_CACHE", str(tmp_path))
    cropper, cases = Run(lung_runs / "a"), phantom.cases(count=3, pixels=64)
    boxes = lung_boxes(cropper, cases, cropper.config().trainer.accelerator, show=False)
    (path,) = (tmp_path / "packs").glob("boxes-*.json")
    for content in ("{", "[]", "{}", path.read_text().replace("[", "[-1, "), path.read_text().replace("[", '["x", ')):
        path.write_text(content)
        assert lung_boxes(cropper, cases, cropper.config().trainer.accelerator, show=False) == boxes
        assert json.loads(path.read_text()) == {id: list(astuple(box)) for id, box in boxes.items()}


# pictures


@pytest.fixture
def album_of(tmp_path):
    def write(name, image, mask):
        path = tmp_path / name / "evaluation" / "phantom-test" / "pictures.zip"
        path.parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as archive:
            for entry, size, kind in (("image/0.jpg", image, "JPEG"), ("prediction/lung/0.png", mask, "PNG")):
                content = io.BytesIO()
                Image.new("L", size, 200).save(content, kind)
                archive.writestr(entry, content.getvalue())
        return Pictures(path)

    return write


def test_the_pictures_that_are_too_large_are_blamed_and_not_anothers(album_of):
    from lungseg.comparison.render.thumbnails import _one

    innocent, large = album_of("innocent", (192, 160), (192, 160)), album_of("large", (400, 333), (400, 333))
    masked, other = album_of("masked", (192, 160), (100, 90)), album_of("other", (96, 80), (96, 80))
    for order in ([large, innocent], [innocent, large]):
        with pytest.raises(
            UserError, match=r"large/.*zip: image/0\.jpg has 400x333 pixels, expected at most 192"
        ) as caught:
            _one(order, [0, 0], ["lung"])
        assert "innocent" not in str(caught.value)
    with pytest.raises(UserError, match=r"masked/.*zip: prediction/lung/0\.png is 100x90 pixels, its image 192x160"):
        _one([innocent, masked], [0, 0], ["lung"])
    with pytest.raises(UserError, match=r"other/.*zip and .*innocent/.*zip show the same case in different sizes"):
        _one([innocent, other], [0, 0], ["lung"])
    assert _one([innocent, album_of("alike", (192, 160), (192, 160))], [0, 0], ["lung"])


def test_pictures_that_unpack_to_too_much_are_refused_before(tmp_path):
    path = tmp_path / "run" / "evaluation" / "phantom-test" / "pictures.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image/0.jpg", bytes(2**24))
        archive.writestr("image/1.jpg", b"no picture")
    with pytest.raises(
        UserError, match=r"pictures\.zip: image/0\.jpg has 16,777,216 bytes, expected at most 1,048,576"
    ):
        Pictures(path).jpeg(0)
    with pytest.raises(UserError, match=r"pictures\.zip: image/1\.jpg cannot be read"):
        Pictures(path).shape(1)
    assert Run(tmp_path / "run").path.is_dir()


def nested(levels, width):
    """A dict of few parts that a reader which does not remember what it has seen goes through without end."""
    inner = dict.fromkeys(map(str, range(width)), 1)
    for _ in range(levels):
        inner = dict.fromkeys(map(str, range(width)), inner)
    return inner


def test_a_checkpoint_that_refers_to_its_parts_again_and_again_is_refused_at_once():
    epoch = [1]
    for _ in range(40):
        epoch = [epoch, epoch]
    with pytest.raises(UserError, match=r"best\.ckpt: epoch is a list; expected a whole number"):
        require_checkpoint(Path("best.ckpt"), {"epoch": epoch, "state_dict": {}})
    assert not _are_counts(nested(6, 60))
    assert _are_counts(nested(2, 3))
