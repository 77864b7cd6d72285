"""Slices of volumes as a net sees them, and the way back to the scan."""

import nibabel
import numpy as np
import pytest
import torch

from lungseg.core.config.data_config import LoaderConfig
from lungseg.core.errors import UsageError
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.datamodule import CaseDataModule, Datasets
from lungseg.data.packed_cache import open_pack
from lungseg.data.volumes.preprocessing import SlicePreprocessing
from lungseg.data.volumes.slices import SliceDataset
from lungseg.data.volumes.volume_dataset import GRID

VIEW = SlicePreprocessing(size=32, window=(-1250, 250), neighbours=1, normalise=(0.0, 1.0))
DEPTHS = (5, 8, 6, 7)


@pytest.fixture
def cases(tmp_path):
    """Four scans of different depths; voxels of slice z of scan n are n * 100 + z - 900, one corner is lung."""
    found = []
    for n, depth in enumerate(DEPTHS):
        scan = np.full((40, 48, depth), -900, np.int16)
        scan += np.arange(depth, dtype=np.int16) + n * 100
        scan[-1, -1] = 300  # a little bone
        mask = np.zeros(scan.shape, np.uint8)
        mask[:20, :24, 2:4] = 1
        for name, values in (("scan", scan), ("mask", mask)):
            nibabel.save(nibabel.Nifti1Image(values, np.diag([-1, -1, 2, 1.0])), tmp_path / f"{name}{n}.nii")
        paths = tmp_path / f"scan{n}.nii", tmp_path / f"mask{n}.nii"
        found.append(Case(id=f"c{n}", image=paths[0], masks={"lung": paths[1]}, patient=f"p{n}", label="x"))
    return found


@pytest.fixture
def dataset(cases):
    return SliceDataset(cases, CaseReader(["lung"], VIEW, open_pack(cases, ["lung"], VIEW, show=False)))


def hounsfield(sample):
    """The value of each channel of a sample."""
    return (sample["image"].mean((1, 2)) * 1500 - 1250).round().tolist()


def test_every_slice_of_every_volume_is_a_sample_with_its_neighbours(dataset):
    assert len(dataset) == sum(DEPTHS)
    first, last = dataset[0, 5], dataset[0, 12]  # of the second volume
    assert first["image"].shape == (3, 32, 32)
    assert hounsfield(first) == pytest.approx([-800, -800, -799], abs=4)
    assert hounsfield(last) == pytest.approx([-794, -793, -793], abs=4)
    assert [(int(s["index"]), int(s["part"])) for s in (first, last)] == [(1, 0), (1, 7)]
    assert dataset.cases[12].id == "c1"
    marked = [bool(dataset[0, n]["mask"].any()) for n in range(len(dataset))]
    assert [n for n, there in enumerate(marked) if there] == [2, 3, 7, 8, 15, 16, 21, 22]
    assert dataset[0, 2]["mask"].mean() == pytest.approx(0.25)


def test_what_is_known_of_volumes_is_of_whole_ones(dataset):
    assert dataset.areas().tolist() == [[2 * 16 * 16]] * 4
    assert [masks.shape for masks in dataset.masks()] == [(1, 1, *GRID)] * 4
    assert [dataset.index_of(index) for index in dataset.examples(2)] == [(0, 2), (3, 2)]


def test_probabilities_go_back_to_the_scans_own_grid(cases):
    for aspect in ("squash", "pad"):
        how = SlicePreprocessing(size=32, window=(-1250, 250), aspect=aspect)
        loaded = how.load(cases[1], ["lung"])
        _, masks = how.case(cases[1], ["lung"])
        back = how.back(masks.astype(np.float32), "c1", loaded.image.shape)
        assert back.shape == loaded.masks.shape == (1, 8, 48, 40)
        assert np.mean((back > 0.5) == loaded.masks) > 0.99


def test_a_net_is_given_the_same_in_training_and_when_it_is_judged(dataset, cases):
    whole = VIEW.input(VIEW.load(cases[1], []))
    assert torch.equal(whole[3], dataset[0, 5 + 3]["image"][1])


def test_a_loaders_epoch_goes_on_where_it_stopped(cases):
    reader = CaseReader(["lung"], VIEW, open_pack(cases, ["lung"], VIEW, show=False))
    splits = {"train": cases[:2], "val": cases[2:3], "test": cases[3:]}
    data = CaseDataModule(splits, reader, LoaderConfig(4, 0, True, None), datasets=Datasets(SliceDataset, SliceDataset))
    batches = list(data.train_dataloader())
    assert data.batches_per_epoch() == len(batches) == 3
    assert sorted({int(index) for batch in batches for index in batch["index"]}) == [0, 1]
    assert sum(len(batch["image"]) for batch in data.val_dataloader()) == 6


def test_volumes_without_a_pack_are_refused(cases):
    with pytest.raises(UsageError, match=r"data\.pack=false: volumes are read from the pack; leave it out"):
        SliceDataset(cases, CaseReader(["lung"], VIEW))
