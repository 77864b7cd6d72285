"""Patches of volumes: drawn to train on, side by side to validate on."""

import nibabel
import numpy as np
import pytest
import torch

from lungseg.core.config.data_config import LoaderConfig
from lungseg.core.errors import UsageError
from lungseg.data.case_reader import CaseReader
from lungseg.data.datamodule import CaseDataModule, Datasets
from lungseg.data.packed_cache import open_pack
from lungseg.data.volumes.patch_preprocessing import PatchPreprocessing
from lungseg.data.volumes.patches import DrawnPatches, TiledPatches, cut_patch, inside
from lungseg.data.volumes.resampling import resample, resample_mask, shape_at
from tests.data.volumes.test_slices import cases  # noqa: F401

VIEW = PatchPreprocessing(window=(-1250, 250), normalise=(0.0, 1.0), patch=(4, 16, 16))


def packed(some, view=VIEW):
    return CaseReader(["lung"], view, open_pack(some, ["lung"], view, show=False))


def test_the_stated_share_of_patches_holds_the_region(cases):  # noqa: F811
    for share in (0.0, 0.25, 0.5, 1.0):
        dataset = DrawnPatches(cases, packed(cases), seed=3, number=40, foreground=share)
        asked = [index for index in range(len(dataset)) if int((index + 1) * share) > int(index * share)]
        assert len(asked) == round(share * len(dataset))
        assert all(dataset[epoch, index]["mask"].any() for epoch in (0, 1) for index in asked[:20])


def test_drawn_patches_lie_in_their_volume_and_change_with_the_epoch_alone(cases):  # noqa: F811
    dataset = DrawnPatches(cases, packed(cases), seed=3, number=6)
    again = DrawnPatches(cases, packed(cases), seed=3, number=6)
    places = [[dataset.start(epoch, index) for index in range(len(dataset))] for epoch in (0, 1)]
    assert places[0] != places[1]
    assert places[1] == [again.start(1, index) for index in range(len(again))]
    for index, start in enumerate(places[0]):
        shape = dataset.shapes[dataset.index_of(index)[0]]
        assert all(0 <= at <= side - patch for at, side, patch in zip(start, shape, VIEW.patch, strict=True))
    sample = dataset[0, 7]
    assert sample["image"].shape == (1, 4, 16, 16)
    assert sample["mask"].shape == (1, 4, 16, 16)
    scan = dataset.pack.case("c1")[0]
    z, y, x = places[0][7]
    shown = VIEW.shown(scan[z : z + 4, y : y + 16, x : x + 16])
    assert torch.equal(sample["image"][0], torch.from_numpy(shown.astype(np.float32) / np.float32(255)))


def test_tiles_count_every_voxel_once(cases):  # noqa: F811
    """The lung's voxels over all tiles are those of the volume; so are all voxels."""
    view = PatchPreprocessing(window=(-1250, 250), patch=(3, 20, 25))
    dataset = TiledPatches(cases, packed(cases, view))
    for volume, shape in enumerate(dataset.shapes):
        own = [index for index in range(len(dataset)) if dataset.index_of(index)[0] == volume]
        assert [dataset.index_of(index)[1] for index in own] == list(range(len(own)))
        samples = [dataset[0, index] for index in own]
        kept = [inside(torch.ones(1, 1, 3, 20, 25, dtype=torch.bool), s["inside"][None]) for s in samples]
        assert sum(int(one.sum()) for one in kept) == np.prod(shape)
        marked = [inside(s["mask"][None] > 0, s["inside"][None]) for s in samples]
        assert sum(int(one.sum()) for one in marked) == dataset.areas()[volume, 0] == 2 * 24 * 20


def test_a_volume_smaller_than_a_patch_is_surrounded_by_its_edges_and_counted_once(cases):  # noqa: F811
    view = PatchPreprocessing(window=(-1250, 250), normalise=(0.0, 1.0), patch=(16, 64, 64))
    tiled, drawn = TiledPatches(cases, packed(cases, view)), DrawnPatches(cases, packed(cases, view))
    assert len(tiled) == len(cases)
    sample = tiled[0, 0]
    assert sample["image"].shape == (1, 16, 64, 64)
    assert sample["image"].min() > 0.1  # never air that was not there
    assert int(inside(torch.ones(1, 1, 16, 64, 64, dtype=torch.bool), sample["inside"][None]).sum()) == 5 * 48 * 40
    assert int(drawn[0, 0]["mask"].sum()) == 2 * 24 * 20


def test_patches_of_slices_have_their_neighbours_as_channels(cases):  # noqa: F811
    view = PatchPreprocessing(window=(-1250, 250), normalise=(0.0, 1.0), patch=(1, 16, 16), neighbours=1)
    dataset = DrawnPatches(cases, packed(cases, view), number=12)
    for index in range(12):
        sample, (z, y, x) = dataset[0, index], dataset.start(0, index)
        assert sample["image"].shape == (3, 16, 16)
        assert sample["mask"].shape == (1, 16, 16)
        scan = dataset.pack.case("c0")[0]
        for channel, slice in enumerate(np.clip([z - 1, z, z + 1], 0, len(scan) - 1)):
            expected = VIEW.shown(scan[slice, y : y + 16, x : x + 16]) / np.float32(255)
            np.testing.assert_allclose(sample["image"][channel].numpy(), expected, atol=1e-6)


def test_a_spacing_resamples_what_the_net_sees_and_probabilities_go_back(cases):  # noqa: F811
    view = PatchPreprocessing(window=(-1250, 250), patch=(4, 16, 16), spacing=(1.0, 2.0, 2.0))
    scan, masks = view.case(cases[1], ["lung"])
    loaded = view.load(cases[1], ["lung"])
    assert loaded.spacing == (2.0, 1.0, 1.0)
    assert scan.shape == masks.shape[1:] == view.input(loaded).shape == (16, 24, 20)
    back = view.back(masks.astype(np.float32), "c1", loaded.image.shape)
    assert np.mean((back > 0.5) == loaded.masks) > 0.97
    assert view.cache_key(cases[1]) != VIEW.cache_key(cases[1])


def test_resampling_keeps_the_mean_and_the_place():
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32)[:, None, None], (32, 32, 32))
    for axes in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
        volume = np.ascontiguousarray(ramp.transpose(axes))
        for shape in ((16, 16, 16), (48, 40, 64), (20, 50, 32)):
            small = resample(volume, shape)
            assert small.shape == shape
            assert small.mean() == pytest.approx(volume.mean(), abs=0.2)
    mask = np.zeros((32, 32, 32), np.bool_)
    mask[8:24, 4:28, 10:20] = True
    assert resample_mask(mask, (64, 64, 64)).sum() == pytest.approx(8 * mask.sum(), rel=0.05)
    assert shape_at((10, 20, 30), (5.0, 1.0, 1.0), (2.5, 2.0, 1.0)) == (20, 10, 30)


def test_cutting_beyond_the_edges():
    volume = np.arange(24).reshape(2, 3, 4)
    assert np.array_equal(cut_patch(volume, (0, 1, 1), (2, 2, 2)), volume[:, 1:, 1:3])
    beyond = cut_patch(volume, (-1, 0, 3), (3, 3, 2), edges=True)
    assert np.array_equal(beyond[0], beyond[1])
    assert np.array_equal(beyond[..., 0], beyond[..., 1])
    assert not cut_patch(volume, (-1, 0, 3), (3, 3, 2))[0].any()


def test_an_epoch_goes_on_where_it_stopped_with_the_same_patches(cases):  # noqa: F811
    splits = {"train": cases[:2], "val": cases[2:3], "test": cases[3:]}
    data = CaseDataModule(splits, packed(cases), LoaderConfig(4, 0, True, None), seed=5,
                          datasets=Datasets(DrawnPatches, TiledPatches))  # fmt: skip
    assert data.batches_per_epoch() == len(list(data.train_dataloader())) == 4
    assert {int(index) for batch in data.val_dataloader() for index in batch["index"]} == {0}


def test_patches_without_a_pack_are_refused(cases):  # noqa: F811
    with pytest.raises(UsageError, match=r"data\.pack=false: volumes are read from the pack; leave it out"):
        DrawnPatches(cases, CaseReader(["lung"], VIEW))


def test_cases_of_no_region_give_patches_from_anywhere(cases):  # noqa: F811
    for case in cases:
        mask = nibabel.load(case.masks["lung"])
        nibabel.save(nibabel.Nifti1Image(np.zeros(mask.shape, np.uint8), mask.affine), case.masks["lung"])
    reader = packed(cases)
    assert (reader.pack.points_of("c0") == -1).all()
    dataset = DrawnPatches(cases, reader, foreground=1.0)
    assert not any(dataset[0, index]["mask"].any() for index in range(len(dataset)))
    assert len({dataset.start(0, index) for index in range(len(dataset))}) > 4
