import csv
import logging
import shutil

import numpy as np
import pytest
from PIL import Image

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.data.download.catalog import DATASETS, differences
from lungseg.data.io.image import read_case
from lungseg.data.sources import ct_slices
from lungseg.data.sources.issues import Problem
from lungseg.training.train import train
from tests.helpers import run_program, write_png

TRAIN, TEST = (0, 1, 2, 3, 10, 11, 12, 67), (6, 7, 18, 99)  # numbers without a gap are not published either
DOCTORS, TESTING = "TrainingSet/LungInfection-Train/Doctor-label", "TestingSet/LungInfection-Test"


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Writes the published layout in small: JPEG beside PNG, sizes of their own, folders that are not to be read."""
    root = tmp_path_factory.mktemp("slices") / "Dataset"
    for place, numbers in ((DOCTORS, TRAIN), (TESTING, TEST)):
        for number in numbers:
            shape = 40 + number % 7, 48 + number % 5
            yy, xx = np.mgrid[: shape[0], : shape[1]]
            lung = (abs(yy - 20) < 14) & (abs(abs(xx - 24) - 11) < 8)
            spot = lung & (np.hypot(yy - 22, xx - 14) < 4 + number % 4)
            image = np.where(spot, 170, np.where(lung, 30, 210)).astype(np.uint8)
            write_png(root / place / "GT" / f"{number}.png", spot.astype(np.uint8) * 255)
            write_png(root / place / "Edge" / f"{number}.png", spot.astype(np.uint8))
            (root / place / "Imgs").mkdir(exist_ok=True)
            Image.fromarray(image).save(root / place / "Imgs" / f"{number}.jpg", quality=95)
    pseudo = root / "TrainingSet" / "LungInfection-Train" / "Pseudo-label"
    for place in (pseudo, root / "TrainingSet" / "MultiClassInfection-Train"):
        write_png(place / "Imgs" / "500.png", np.zeros((8, 8), np.uint8))
        write_png(place / "GT" / "500.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
    return root


@pytest.fixture
def root(published, tmp_path):
    return shutil.copytree(published, tmp_path / "Dataset")


def test_the_publishers_split_is_kept_and_masks_belong_by_name(published):
    cases = ct_slices.cases(root=str(published))
    assert [case.id for case in cases if case.split == "test"] == [f"test-{n}" for n in sorted(map(str, TEST))]
    assert sum(case.split == "train" for case in cases) == len(TRAIN)
    assert len(cases) == len(TRAIN) + len(TEST)  # none of the pseudo-labels, none of several classes
    for case in cases:
        assert case.image.stem == case.masks["infection"].stem
        assert case.image.parents[1] == case.masks["infection"].parents[1]
        image, (mask,) = read_case(case, ["infection"])
        assert abs(image[mask].astype(int) - 170).mean() < 8
    assert ct_slices.PUBLISHED == {"train": 50, "test": 48}


def test_the_order_of_a_listing_decides_nothing(root):
    (root / DOCTORS / "Imgs" / "0.jpg").unlink()  # one image and another mask less: as many, in another order
    (root / DOCTORS / "GT" / "67.png").unlink()
    with pytest.raises(UserError, match=r"GT/0\.png: no image of that name in .*Doctor-label/Imgs"):
        ct_slices.cases(root=str(root))
    (root / DOCTORS / "GT" / "0.png").unlink()
    cases = {case.id: case for case in ct_slices.cases(root=str(root))}
    assert dict(cases["train-67"].masks) == {}
    assert all(case.masks["infection"].stem == case.image.stem for case in cases.values() if case.masks)


def test_that_no_split_can_be_shown_to_be_by_patient_is_said(published, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    ct_slices.cases(root=str(published))
    assert "does not say which slices are of one patient" in caplog.text
    assert "no split of them, the publisher's neither, can be shown to be by patient" in caplog.text
    problems: list[Problem] = []
    ct_slices.cases(root=str(published), problems=problems)
    assert {problem.kind for problem in problems} == {"count", "patients not known", "pseudo-labels"}
    assert not any(problem.harm for problem in problems)


def test_each_layout_that_the_archives_unpack_to(root):
    ids = [case.id for case in ct_slices.cases(root=str(root))]
    assert [case.id for case in ct_slices.cases(root=str(root.parent))] == ids
    for path in (*root.glob("TrainingSet/*"), *root.glob("TestingSet/*")):
        path.rename(root / path.name)
    assert [case.id for case in ct_slices.cases(root=str(root))] == ids
    shutil.rmtree(root / "LungInfection-Test")
    alone = ct_slices.cases(root=str(root))
    assert {case.split for case in alone} == {None}
    own = ct_slices.cases(root=str(root / "LungInfection-Train" / "Doctor-label"))
    assert [case.id for case in own] == sorted(map(str, TRAIN))
    with pytest.raises(UserError, match="holds no Imgs folder, nor TrainingSet/LungInfection-Train/Doctor-label/Imgs"):
        ct_slices.cases(root=str(root / "LungInfection-Train" / "Doctor-label" / "Imgs"))


def test_the_folders_that_are_counted_after_a_download_are_those_of_the_layout(published):
    said = differences(DATASETS["ct_slices"], published)
    assert len(said) == 4
    assert [line for line in said if "holds 0 files" in line] == []


def test_data_check_says_what_is_wrong(root, tmp_path):
    words = ["-m", "lungseg.cli.main", "data", "check", "ct_slices", f"root={root}", "out=out"]
    result = run_program(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "12 cases of 12 patients" in result.stdout
    assert "Imgs: holds 8 images; 50 were published: 42 missing" in result.stdout
    write_png(root / DOCTORS / "GT" / "1.png", np.zeros((8, 9), np.uint8))
    shape = np.asarray(Image.open(root / DOCTORS / "GT" / "2.png")).shape
    write_png(root / DOCTORS / "GT" / "2.png", np.arange(np.prod(shape)).reshape(shape).astype(np.uint8))
    shape = np.asarray(Image.open(root / TESTING / "GT" / "6.png")).shape
    write_png(root / TESTING / "GT" / "6.png", np.zeros(shape, np.uint8))
    (root / TESTING / "GT" / "7.png").unlink()
    result = run_program(*words, cwd=tmp_path)
    assert result.returncode == 1
    told = list(csv.DictReader((tmp_path / "out" / "problems.csv").open()))
    found = {(row["kind"], row["path"].rsplit("/", 1)[-1], row["harm"]) for row in told}
    assert {
        ("mask size", "1.png", "True"),
        ("mask values", "2.png", "True"),
        ("empty infection", "6.jpg", "False"),
        ("image without mask", "7.jpg", "True"),
    } <= found


def test_infection_is_learnt_on_the_publishers_split(published, tmp_path):
    words = ["data=ct_slices", f"data.root={published}", "data.size=32", "data.workers=0", "model=unet_classic"]
    words += ["model.width=4", "model.depth=2", "trainer=cpu", "trainer.max_epochs=1", "logger=none", "task=infection"]
    run = train(train_config([*words, f"run_dir={tmp_path / 'run'}"]))
    assert run.manifest()["cases"] == {"train": 7, "val": 1, "test": 4}
    rows = list(csv.DictReader((run.path / "evaluation" / "ct_slices-test" / "cases.csv").open()))
    assert sorted(row["id"] for row in rows) == sorted(f"test-{n}" for n in TEST)
    with pytest.raises(UserError, match=r"0\.jpg: its name ends in \.jpg; expected a volume"):
        train(train_config([*words, "data.view=slices", "data.normalise=imagenet", f"run_dir={tmp_path / 'none'}"]))
