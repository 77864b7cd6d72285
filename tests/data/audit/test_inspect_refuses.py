"""Checks that ``lungseg data check`` refuses what training refuses; what it cannot see for itself, it tells."""

import functools
import logging
import os

import nibabel
import numpy as np
import pytest
from PIL import Image

from lungseg.cli.data_check import check
from lungseg.core.config.command_line import train_config
from lungseg.core.config.data_config import DataConfig
from lungseg.core.errors import UserError
from lungseg.data.audit.inspect import inspect
from lungseg.data.build import build_cases, build_splits
from lungseg.data.io.image import read_case
from lungseg.data.sources import classification, folder
from lungseg.data.sources.issues import Problem
from lungseg.data.splits import require_regions
from tests.helpers import write_png


@pytest.fixture
def said(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lungseg"), "propagate", True)
    caplog.set_level("INFO", "lungseg")
    alone = lambda cases, shown: (inspect(case, case.id in shown) for case in cases)  # noqa: E731 - starts no process
    monkeypatch.setattr("lungseg.cli.data_check.inspect_all", alone)
    return caplog


PARSED = functools.cache(train_config)  # which takes longer than twelve small images


def parsed(root, **options):
    config = PARSED(("data=folder", "data.root=x", "task=lung"))
    return DataConfig.of({**config.data.to_dict(), "root": str(root), **options})


def checked(root, out, regions=None, **options):
    return check(parsed(root, **options), out, regions)


def trains(root):
    """Tells whether training would come to its first step: cases, split, masks, every image."""
    data = parsed(root)
    try:
        splits = build_splits(build_cases(data.source), data)
        require_regions(splits, ["lung"])
        for case in (case for side in splits.values() for case in side):
            read_case(case, ["lung"])
    except UserError:
        return False
    return True


def _replace(root, n, write, ending="tif"):
    (root / "images" / f"p{n:02d}.png").unlink()
    write(root / "images" / f"p{n:02d}.{ending}")


GREY = np.random.default_rng(0).integers(0, 255, (80, 96), dtype=np.uint8)


def _pages(root, n):
    more = {"save_all": True, "append_images": [Image.fromarray(GREY)]}
    _replace(root, n, lambda path: Image.fromarray(GREY).save(path, **more))


def _not_a_number(root, n):
    pixels = GREY.T.astype(np.float32)
    pixels[0, 0] = np.nan
    _replace(root, n, lambda path: nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), path), "nii")


def _volume(root, n):
    volume = nibabel.Nifti1Image(np.stack([GREY.T] * 3, axis=2), np.eye(4))
    _replace(root, n, lambda path: nibabel.save(volume, path), "nii.gz")
    (root / "lung_masks" / f"p{n:02d}.png").unlink()
    nibabel.save(nibabel.Nifti1Image((volume.get_fdata() > 99).astype(np.uint8), np.eye(4)),
                 root / "lung_masks" / f"p{n:02d}.nii.gz")  # fmt: skip
    (root / "infection_masks" / f"p{n:02d}.png").unlink()
    nibabel.save(nibabel.Nifti1Image((volume.get_fdata() > 250).astype(np.uint8), np.eye(4)),
                 root / "infection_masks" / f"p{n:02d}.nii.gz")  # fmt: skip


def _transparent(root, n):
    Image.fromarray(np.dstack([GREY, GREY, GREY, GREY])).save(root / "images" / f"p{n:02d}.png")


def _three_levels(root, n):
    write_png(root / "lung_masks" / f"p{n:02d}.png", np.uint8(127) * (GREY // 100))


def _float_mask(root, n):
    (root / "lung_masks" / f"p{n:02d}.png").unlink()
    pixels = (GREY > 200).astype(np.float32)
    pixels[0, 0] = np.nan
    Image.fromarray(pixels).save(root / "lung_masks" / f"p{n:02d}.tif")


def _line_break(root, n):
    (root / "images" / f"p{n:02d}.png").rename(root / "images" / f"p{n:02d}\n.png")
    (root / "lung_masks" / f"p{n:02d}.png").rename(root / "lung_masks" / f"p{n:02d}\n.png")
    (root / "infection_masks" / f"p{n:02d}.png").rename(root / "infection_masks" / f"p{n:02d}\n.png")


def _no_utf8(root, n):
    for name in ("images", "lung_masks", "infection_masks"):
        place = os.fsencode(root / name)
        os.rename(place + b"/p%02d.png" % n, place + b"/p%02d\xff.png" % n)


def _no_mask(root, n):
    (root / "lung_masks" / f"p{n:02d}.png").unlink()


SPOILT = [_pages, _not_a_number, _volume, _transparent, _three_levels, _float_mask, _line_break, _no_utf8, _no_mask]


@pytest.mark.parametrize("spoil", SPOILT)
def test_three_images_that_training_refuses_are_refused_by_the_check(folder_data, tmp_path, said, spoil):
    if spoil in (_line_break, _no_utf8):
        (folder_data / "metadata.csv").unlink()
    assert trains(folder_data)
    for n in (1, 5, 7):
        spoil(folder_data, n)
    assert not trains(folder_data)
    assert checked(folder_data, tmp_path / "out") == 1
    assert "problems would harm a training" in said.text
    assert sum(line.count(",True,") for line in (tmp_path / "out" / "problems.csv").read_text().splitlines()) >= 3


@pytest.mark.parametrize("region", ["lung", "infection"])
def test_one_inverted_mask_among_twelve_is_found(folder_data, tmp_path, said, region):
    path = folder_data / f"{region}_masks" / "p03.png"
    mask = np.asarray(Image.open(path))
    write_png(path, np.uint8(255) - mask)
    assert checked(folder_data, tmp_path / "out") == 1
    assert "inverted mask: 1" in said.text
    assert f"{path}: 100% of the image's border is marked as {region}: the mask is inverted" in said.text


def test_real_masks_are_not_called_inverted(realdata, tmp_path, said):
    assert checked(realdata / "cxr_infection", tmp_path / "out") == 0
    assert "inverted" not in said.text


def test_the_check_splits_as_training_would(folder_data, tmp_path, said):
    """Also where the options of the split are what is wrong."""
    assert checked(folder_data, tmp_path / "out", splits="nowhere.json") == 1
    assert "nowhere.json: cannot be read" in said.text
    said.clear()
    assert checked(folder_data, tmp_path / "out", train_domains=["north"]) == 1
    assert "names no hospitals" in said.text


def test_masks_that_the_task_needs_and_nobody_has_are_told(folder_data, tmp_path, said):
    for path in (folder_data / "infection_masks").iterdir():
        path.unlink()
    assert checked(folder_data, tmp_path / "out", regions=["lung"]) == 0
    assert checked(folder_data, tmp_path / "out", regions=["lung", "infection"]) == 1
    assert "has no infection mask, which this task needs" in said.text


def test_data_without_masks_is_not_said_to_be_good_for_a_training(folder_data, tmp_path, said):
    for name in ("lung_masks", "infection_masks"):
        for path in (folder_data / name).iterdir():
            path.unlink()
    assert checked(folder_data, tmp_path / "out") == 0
    assert "nothing is wrong here, but there are no masks, so there is nothing to train on" in said.text
    assert "nothing here would harm" not in said.text


def test_pictures_of_a_kind_that_is_not_read_are_told(folder_data, tmp_path, said):
    Image.fromarray(GREY).save(folder_data / "images" / "p98.webp")
    (folder_data / "images" / "notes.txt").write_text("no picture")
    assert checked(folder_data, tmp_path / "out") == 0
    assert "passed over (does no harm): 1" in said.text
    assert "p98.webp: pictures that end in .webp are passed over" in said.text


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", "a\u202eb"])
def test_a_folder_of_a_class_is_named_printably_or_not_at_all(tmp_path, name):
    write_png(tmp_path / "train" / name / "a.png", GREY)
    with pytest.raises(UserError, match=r"holds a line break or another control character.*rename it") as caught:
        classification.cases(root=str(tmp_path))
    assert str(caught.value).isprintable()


def test_names_of_any_script_are_kept(folder_data):
    (folder_data / "metadata.csv").unlink()
    name = "пациент é 漢字 \u200cنام"  # noqa: RUF001
    for part in ("images", "lung_masks", "infection_masks"):
        (folder_data / part / "p00.png").rename(folder_data / part / f"{name}.png")
    problems: list[Problem] = []
    assert name in [case.id for case in folder.cases(root=str(folder_data), problems=problems)]
    assert not [problem for problem in problems if problem.harm]
