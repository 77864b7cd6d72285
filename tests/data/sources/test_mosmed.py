import csv
import logging
import shutil

import nibabel
import numpy as np
import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.data.download.catalog import DATASETS, differences
from lungseg.data.sources import mosmed
from lungseg.data.sources.issues import Problem
from lungseg.data.volumes.reading import read_scan, read_volume_masks
from lungseg.training.train import train
from tests.helpers import run_program

GRADES = {"CT-0": range(1, 4), "CT-1": range(255, 263), "CT-2": [939], "CT-3": [1064], "CT-4": [1109]}
MASKED = range(255, 261)


def write(path, voxels):
    """Writes a volume as published: the axes run to the left and the back, and the slices are 8 mm apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-0.7, -0.7, 8.0, 1.0])), path)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Writes the layout as it is published, in small: few slices, padding below air, masks of some of CT-1 alone."""
    root = tmp_path_factory.mktemp("mosmed") / "COVID19_1110"
    yy, xx = np.mgrid[:32, :32]
    for grade, numbers in GRADES.items():
        for number in numbers:
            depth = 6 + number % 3
            body, circle = np.hypot(yy - 16, xx - 16) < 13, np.hypot(yy - 16, xx - 16) < 16
            lungs = body & (abs(yy - 16) < 8) & (abs(abs(xx - 16) - 6) < 4)
            plane = np.where(lungs, -850, np.where(body, 40, np.where(circle, -1000, -2048)))
            scan = np.repeat(plane[..., None], depth, 2) + np.random.default_rng(number).integers(
                -20, 20, (32, 32, depth)
            )
            spot = np.zeros(scan.shape, bool)
            spot[10:20, 6:13, 1 : 2 + number % 3] = grade != "CT-0"
            spot &= lungs[..., None]
            scan[spot] = -300
            write(root / "studies" / grade / f"study_{number:04d}.nii.gz", scan.astype(np.int16))
            if number in MASKED:
                write(root / "masks" / f"study_{number:04d}_mask.nii.gz", spot.astype(np.uint8))
    for name in ("dataset_registry.xlsx", "README_EN.md", "LICENSE"):
        (root / name).write_text("not read\n")
    return root


@pytest.fixture
def root(published, tmp_path):
    return shutil.copytree(published, tmp_path / "COVID19_1110")


def kinds(problems, harm=None):
    return sorted(problem.kind for problem in problems if harm is None or problem.harm == harm)


def test_the_studies_with_a_mask_are_taken_and_the_others_counted(published, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    cases = mosmed.cases(root=str(published))
    assert [case.id for case in cases] == [f"study_{number:04d}" for number in MASKED]
    assert "8 studies without an infection mask are left out" in caplog.text
    assert {(case.label, tuple(case.masks)) for case in cases} == {("CT-1", ("infection",))}
    assert len({case.patient for case in cases}) == len(cases)
    for case in cases:  # the mask is where the scan is dense
        scan = read_scan(case.image)
        (mask,) = read_volume_masks(case, ["infection"], scan)
        assert scan.spacing == pytest.approx((8.0, 0.7, 0.7))
        assert scan.voxels.min() == -1024
        assert set(scan.voxels[mask]) == {-300}
        assert (scan.voxels == -300).sum() == mask.sum() > 0


def test_all_studies_have_their_grade_as_class(published):
    problems: list[Problem] = []
    cases = mosmed.cases(root=str(published), studies="all", problems=problems)
    assert {grade: sum(case.label == grade for case in cases) for grade in GRADES} == {
        grade: len(numbers) for grade, numbers in GRADES.items()
    }
    assert sum(bool(case.masks) for case in cases) == len(MASKED)
    assert [case for case in cases if case.label == "CT-0" and case.masks] == []
    assert kinds(problems) == ["count"] * 6  # all of the classes but none of the published number, and the masks
    assert sum(mosmed.PUBLISHED.values()) == 1110
    with pytest.raises(UserError, match=r"data\.studies=some: expected masked or all"):
        mosmed.cases(root=str(published), studies="some")


def test_masks_belong_by_name_and_never_by_the_order_of_a_listing(root):
    (root / "masks" / "study_0255_mask.nii.gz").unlink()  # by order every other mask would move by one
    for case in mosmed.cases(root=str(root)):
        assert case.masks["infection"].paths[0].name == f"{case.id}_mask.nii.gz"
    (root / "studies" / "CT-1" / "study_0258.nii.gz").unlink()
    with pytest.raises(UserError, match=r"study_0258_mask\.nii\.gz: no image of that name"):
        mosmed.cases(root=str(root))


def test_the_root_may_be_the_folder_or_the_one_above(published, tmp_path):
    ids = [case.id for case in mosmed.cases(root=str(published))]
    assert [case.id for case in mosmed.cases(root=str(published.parent))] == ids
    (tmp_path / "archive").symlink_to(published.parent)
    assert [case.id for case in mosmed.cases(root=str(tmp_path))] == ids
    with pytest.raises(UserError, match="holds no studies/CT-0 to CT-4"):
        mosmed.cases(root=str(published / "studies"))


def test_a_study_in_two_grades_is_refused(root):
    shutil.copy(root / "studies" / "CT-1" / "study_0255.nii.gz", root / "studies" / "CT-2")
    with pytest.raises(UserError, match=r"CT-2/study_0255\.nii\.gz: is in CT-1 too; .* remove one"):
        mosmed.cases(root=str(root))


def test_the_folders_that_are_counted_after_a_download_are_those_of_the_layout(published):
    said = differences(DATASETS["mosmed"], published)
    assert len(said) == 6
    assert [line for line in said if "holds 0 files" in line] == []


def test_data_check_says_what_is_wrong(root, tmp_path):
    words = ["-m", "lungseg.cli.main", "data", "check", "mosmed", f"root={root}", "out=out", "data.workers=0"]
    result = run_program(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "6 cases of 6 patients" in result.stdout
    assert "holds 8 studies without a mask, which are left out (data.studies=all)" in result.stdout
    assert "CT-3: holds 1 image; 45 were published: 44 missing" in result.stdout
    bad = root / "masks" / "study_0256_mask.nii.gz"
    write(bad, np.full((32, 32, 7), 3, np.uint8))
    (root / "studies" / "CT-1" / "study_0257.nii.gz").write_bytes(b"no volume")
    result = run_program(*words, cwd=tmp_path)
    assert result.returncode == 1
    told = list(csv.DictReader((tmp_path / "out" / "problems.csv").open()))
    harmful = {(row["kind"], row["path"].rsplit("/", 1)[-1]) for row in told if row["harm"] == "True"}
    assert {("mask values", bad.name), ("unreadable", "study_0257.nii.gz")} <= harmful


def test_infection_is_learnt_and_lungs_are_not_there(published, tmp_path):
    words = ["data=mosmed", f"data.root={published}", "data.size=32", "data.workers=0", "model=unet_classic"]
    words += ["model.width=4", "model.depth=2", "trainer=cpu", "trainer.max_epochs=1", "logger=none"]
    run = train(train_config([*words, "task=infection", f"run_dir={tmp_path / 'run'}"]))
    assert sum(run.manifest()["cases"].values()) == len(MASKED)
    rows = list(csv.DictReader((run.path / "evaluation" / "mosmed-test" / "cases.csv").open()))
    assert {row["class"] for row in rows} == {"CT-1"}
    with pytest.raises(UserError, match=r"has no lung mask, which this task needs; 6 of 6 cases"):
        train(train_config([*words, "task=lung", f"run_dir={tmp_path / 'none'}"]))
    with pytest.raises(UserError, match=r"has no infection mask, which this task needs; 8 of 14 cases"):
        train(train_config([*words, "task=infection", "data.studies=all", f"run_dir={tmp_path / 'none'}"]))
