import albumentations
import pytest
import torch
from hydra.utils import instantiate

from lungseg.core.config.compose import compose, options
from lungseg.core.config.data_config import LoaderConfig
from lungseg.core.errors import UserError
from lungseg.data.case import fingerprint
from lungseg.data.case_reader import CaseReader
from lungseg.data.datamodule import CaseDataModule, make_loader
from lungseg.data.dataset import CaseDataset
from lungseg.data.packed_cache import open_pack
from lungseg.data.preprocessing import Preprocessing
from lungseg.data.samplers import InOrder, ShuffledEpochs
from lungseg.data.sources import folder
from lungseg.data.splits import split_cases

HOW = Preprocessing(48)


@pytest.fixture
def cases(folder_data):
    return folder.cases(root=str(folder_data))


def augmented(cases, preset="strong", seed=0):
    pack = open_pack(cases, ["lung", "infection"], HOW, show=False)
    augment = albumentations.Compose(
        list(instantiate(compose([f"augment={preset}"]).augment, _convert_="all")["transforms"])
    )
    return CaseDataset(cases, CaseReader(["lung", "infection"], HOW, pack), augment, seed)


def run_epochs(dataset, workers, epochs=2):
    """What a loop over two epochs sees: (epoch, case) -> image bytes, in order."""
    sampler = ShuffledEpochs(len(dataset), seed=5)
    loader = make_loader(dataset, sampler, batch_size=3, workers=workers)
    seen = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for batch in loader:
            seen += [(epoch, int(i), x.numpy().tobytes()) for i, x in zip(batch["index"], batch["image"], strict=True)]
    return seen


def test_samples_are_what_a_net_eats(cases):
    sample = augmented(cases)[0, 3]
    assert sample["image"].shape == (1, 48, 48)
    assert sample["image"].dtype == torch.float32
    assert sample["mask"].shape == (2, 48, 48)
    assert set(sample["mask"].unique().tolist()) <= {0.0, 1.0}
    assert int(sample["index"]) == 3


def test_a_sample_has_what_else_a_task_learns_of_its_case(cases):
    reader = CaseReader(["lung"], HOW, targets=lambda case: {"sick": torch.tensor(case.label == "COVID-19")})
    samples = next(iter(make_loader(CaseDataset(cases, reader), InOrder(len(cases)), batch_size=len(cases), workers=0)))
    assert samples["sick"].tolist() == [case.label == "COVID-19" for case in cases]
    assert {True, False} == {*samples["sick"].tolist()}


def test_augmentation_repeats_by_seed_whatever_the_workers_and_never_between_epochs(cases):
    alone, two = run_epochs(augmented(cases), 0), run_epochs(augmented(cases), 2)
    assert alone == two
    images = [image for _, _, image in alone]
    assert len(images) == 2 * len(cases)
    assert len(set(images)) >= 0.9 * len(images)  # now and then no transform falls to a sample's lot
    assert run_epochs(augmented(cases, seed=1), 0) != alone
    assert [i for e, i, _ in alone if e == 0] != [i for e, i, _ in alone if e == 1]


@pytest.mark.parametrize("preset", options("augment"))
def test_presets_move_the_mask_with_the_image(cases, preset):
    if preset == "none":
        assert compose(["augment=none"]).augment.transforms == []
        return
    dataset = augmented(cases, preset)
    for epoch in range(4):
        for index in range(len(cases)):
            sample = dataset[epoch, index]
            image, lung = sample["image"][0], sample["mask"][0] > 0
            assert image[lung].mean() > image[~lung].mean()


def test_an_epoch_continues_where_it_was_stopped():
    whole = ShuffledEpochs(20, seed=1, start=(0, 0))
    whole.set_epoch(3)
    rest = ShuffledEpochs(20, seed=1, start=(3, 8))
    assert list(rest) == list(whole)[8:]
    assert len(rest) == 20
    whole.set_epoch(4)
    rest.set_epoch(4)
    assert list(rest) == list(whole)


@pytest.mark.parametrize("length", [7, 8])
def test_ranks_share_cases_out(length):
    train = [list(ShuffledEpochs(length, seed=0, rank=rank, ranks=2)) for rank in (0, 1)]
    assert len(train[0]) == len(train[1]) == length // 2
    assert not set(train[0]) & set(train[1])
    val = [index for rank in (0, 1) for _, index in InOrder(length, rank, 2)]
    assert sorted(val) == list(range(length))


def test_fingerprint_follows_the_data_and_not_its_place(cases, tmp_path, folder_data):
    before = fingerprint(cases)
    assert fingerprint(cases[::-1]) == before
    folder_data.rename(tmp_path / "moved")
    assert fingerprint(folder.cases(root=str(tmp_path / "moved"))) == before
    assert fingerprint(cases[:0] + folder.cases(root=str(tmp_path / "moved"))[1:]) != before


def loading(**changes):
    return LoaderConfig(**{"batch_size": 4, "workers": 0, "pack": False, "overfit": None, **changes})


def data(cases, augment=None, **changes):
    splits = split_cases(cases, val=0.2, test=0.2, seed=0)
    return CaseDataModule(splits, CaseReader(["lung"], HOW), loading(**changes), augment)


def test_debug_trains_and_validates_on_the_same_two_batches_without_augmentation(cases):
    module = data(cases, overfit=2, augment=augmented(cases).augment, batch_size=2)
    assert [c.id for c in module.train_set.cases] == [c.id for c in module.val_set.cases]
    assert len(module.train_set) == 4
    assert module.train_set.augment is None


def test_a_validation_split_without_the_region_is_refused(cases):
    splits = split_cases(cases, val=0.2, test=0.2, seed=0)
    splits["val"] = [case for case in cases if case.label == "Normal"]
    for pack in (open_pack(cases, ["infection"], HOW, show=False), None):
        with pytest.raises(UserError, match="none of the 4 validation cases has any infection"):
            CaseDataModule(splits, CaseReader(["infection"], HOW, pack), loading(batch_size=2))


def test_workers_are_checked(cases):
    with pytest.raises(UserError, match=r"data\.workers=-1"):
        data(cases, workers=-1)
