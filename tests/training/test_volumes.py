"""A whole small run on volumes: trained on slices, judged as volumes, gone on with to the bit."""

import csv
import json
import os
import signal

import nibabel
import numpy as np
import pytest
import torch

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import Stopped, UserError
from lungseg.data.saved_splits import load_splits
from lungseg.data.sources import covid19_ct
from lungseg.evaluation.evaluate import evaluate
from lungseg.tasks.segmentation.module import SegmentationModule
from lungseg.training.train import train

NUMBER, SPACING = 8, (2.0, 2.0, 5.0)
SMALL = ["data=covid19_ct", "data.size=32", "data.workers=0", "data.batch_size=8", "data.val=0.25", "data.test=0.25",
         "model=unet_classic", "model.width=4", "model.depth=2", "trainer=cpu", "trainer.max_epochs=16", "logger=none",
         "augment=none", "optim.lr=0.01"]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Scans of a body with two lungs, of different depths, as the published ones lie."""
    folder = tmp_path_factory.mktemp("ct")
    for n in range(NUMBER):
        depth = 6 + n % 3
        scan = np.full((40, 36, depth), -1000, np.int16)
        scan[6:34, 6:30] = 40
        lungs = np.zeros(scan.shape, np.uint8)
        lungs[10:18, 10:26, 1:5], lungs[22:30, 10:26, 1:5] = 1, 2
        scan[lungs > 0] = -850
        scan += np.random.default_rng(n).integers(-40, 40, scan.shape, dtype=np.int16)
        infection = (lungs == 1) & (np.arange(depth) == 2)
        for name, values in (("ct_scans", scan), ("lung_mask", lungs), ("infection_mask", infection.astype(np.uint8))):
            (folder / name).mkdir(exist_ok=True)
            stem = f"coronacases_{'org_' if name == 'ct_scans' else ''}{n:03d}"
            image = nibabel.Nifti1Image(values, np.diag([-SPACING[0], SPACING[1], SPACING[2], 1]))
            nibabel.save(image, folder / name / f"{stem}.nii.gz")
    return folder


def words_of(root, path, *more):
    return [*SMALL, f"data.root={root}", f"run_dir={path}", *more]


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    return train(train_config(words_of(root, tmp_path_factory.mktemp("run") / "run", "task=lung")))


def test_a_row_is_a_volume_at_its_own_size_in_millimetres(run, root):
    folder = run.path / "evaluation" / "covid19_ct-test"
    rows = list(csv.DictReader((folder / "cases.csv").open()))
    summary = json.loads((folder / "summary.json").read_text())
    test = load_splits(covid19_ct.cases(root=str(root)), run.splits_file)["test"]
    assert [row["id"] for row in rows] == [case.id for case in test]
    for row, case in zip(rows, test, strict=True):
        assert int(row["image_area"]) == np.prod(nibabel.load(case.image).shape)
        assert int(row["lung_reference_area"]) == 2 * 8 * 16 * 4
    assert summary["unit"] == "mm"
    assert summary["results"]["model"]["lung"]["dice"] > 0.9
    assert summary["results"]["model"]["lung"]["dice"] > summary["results"]["mean_mask"]["lung"]["dice"] - 0.2
    for name in ("worst.png", "median.png", "best.png"):
        assert (folder / name).stat().st_size > 1000


def test_the_validation_score_is_that_of_whole_volumes(run):
    """Judged at the net's size, so that it is nearly what evaluate.py finds of the same volumes at their own."""
    logged = [float(row["val/dice"]) for row in csv.DictReader(run.metrics_file.open()) if row["val/dice"]]
    judged = evaluate(evaluate_config([f"run={run.path}", "split=val"]))
    assert len(judged.rows) == 2
    assert judged.summary["results"]["model"]["lung"]["dice"] == pytest.approx(max(logged), abs=0.03)


def test_no_slice_of_a_volume_is_on_another_side(run):
    splits = json.loads(run.splits_file.read_text())
    sides = [set(side) for side in splits.values()]
    assert sum(map(len, sides)) == NUMBER
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]


def stopped_and_resumed(words, path, monkeypatch, batch):
    """Trains until ``batch``, is stopped there, and goes on to the end."""
    step, original = iter(range(1000)), SegmentationModule.training_step

    def stopping(self, *given):
        if next(step) == batch:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", stopping)
        with pytest.raises(Stopped):
            train(train_config(words))
    again = [f"resume={path}"]
    return train(train_config(again), again)


def test_a_run_that_was_stopped_within_an_epoch_goes_on_to_the_same_bits(run, root, tmp_path, monkeypatch):
    path = tmp_path / "run"
    resumed = stopped_and_resumed(words_of(root, path, "task=lung"), path, monkeypatch, batch=7)
    whole, again = _weights(run.last), _weights(resumed.last)
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def _weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def test_neighbours_are_channels_and_both_regions_are_learnt_at_once(root, tmp_path):
    words = words_of(root, tmp_path / "run", "task=lung_infection", "data.neighbours=2", "trainer.max_epochs=1")
    done = train(train_config([*words, "data.normalise=dataset"]))
    assert _weights(done.best)["net.net.encoder.blocks.0.0.weight"].shape[1] == 5
    summary = json.loads((done.path / "evaluation" / "covid19_ct-test" / "summary.json").read_text())
    assert list(summary["results"]["model"]) == ["lung", "infection"]
    assert done.config().data.preprocessing.normalise != "dataset"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.window=[250,-1250]"], r"data\.window=\[250,-1250\]: the lower number comes first"),
        (["data.view=null"], r"data\.neighbours=1: pictures have no neighbouring slices"),
        (["data.normalise=image"], r"data\.normalise=image: Hounsfield units mean the same in every scan"),
        (["data.pack=false"], r"data\.pack=false: volumes are read from the pack"),
        (["data.view=patches"], r"data\.view=patches: model=unet_classic sees pictures and slices; take model=unet3d"),
    ],
)
def test_what_cannot_be_is_one_line(root, tmp_path, words, message):
    with pytest.raises(UserError, match=f"^{message}") as caught:
        train(train_config(words_of(root, tmp_path / "run", "task=lung", *words)))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()
