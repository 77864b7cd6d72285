import shutil

import nibabel
import numpy as np
import pytest
from PIL import Image

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UserError
from lungseg.data.io.image import read_case
from lungseg.data.sources import folder
from lungseg.evaluation.evaluate import evaluate
from lungseg.training.train import train
from tests.data.io.test_dicom import write_dicom
from tests.helpers import write_png


def test_masks_patients_and_classes_are_matched_by_name(folder_data):
    cases = folder.cases(root=str(folder_data))
    assert [case.id for case in cases] == [f"p{n:02d}" for n in range(12)]
    assert cases[4].patient == "patient4"
    assert [case.label for case in cases[:3]] == ["COVID-19", "COVID-19", "Normal"]
    assert cases[3].masks["lung"].name == "p03.png"
    image, masks = read_case(cases[0], ["lung", "infection"])
    assert image[masks[1]].mean() > image[masks[0]].mean() > image[~masks[0]].mean()


def test_a_file_added_in_the_middle_moves_no_mask(folder_data):
    write_png(folder_data / "images" / "p00b.png", np.zeros((8, 8), np.uint8))
    with (folder_data / "metadata.csv").open("a") as file:
        file.write("p00b.png,another,Normal\n")
    cases = {case.id: case for case in folder.cases(root=str(folder_data))}
    assert "lung" not in cases["p00b"].masks
    assert all(case.masks["lung"].stem == case.id for case in cases.values() if case.id != "p00b")


def test_without_metadata_each_image_is_its_own_patient(folder_data):
    (folder_data / "metadata.csv").unlink()
    cases = folder.cases(root=str(folder_data))
    assert len({case.patient for case in cases}) == 12
    assert {case.label for case in cases} == {"unknown"}


def test_split_column_is_the_publishers_split(folder_data):
    rows = "\n".join(f"p{n:02d}.png,{'Training' if n < 8 else 'test'}" for n in range(12))
    (folder_data / "metadata.csv").write_text(f"image,split\n{rows}\n")
    assert [case.split for case in folder.cases(root=str(folder_data))] == ["train"] * 8 + ["test"] * 4


def test_columns_of_another_name_are_mapped(folder_data):
    rows = "\n".join(f"p{n:02d}.png;{n // 2};{'ill' if n % 2 else 'well'}".replace(";", ",") for n in range(12))
    (folder_data / "metadata.csv").unlink()
    (folder_data / "cases.csv").write_text(f"picture,subject number,Befund\n{rows}\n")
    columns = {"file": "picture", "patient": "Subject Number", "class": "befund"}
    cases = folder.cases(root=str(folder_data), columns=columns)
    assert [case.patient for case in cases[:4]] == ["0", "0", "1", "1"]
    assert [case.label for case in cases[:2]] == ["well", "ill"]
    with pytest.raises(UserError, match=r"data\.columns\.patient=nobody: no such column; there are picture, subject"):
        folder.cases(root=str(folder_data), columns={**columns, "patient": "nobody"})


def test_files_of_every_kind_stand_side_by_side(folder_data):
    pixels = np.asarray(Image.open(folder_data / "images" / "p01.png"))
    for n, ending in ((1, "tif"), (2, "jpg"), (3, "dcm"), (4, "nii.gz")):
        path = folder_data / "images" / f"p{n:02d}.{ending}"
        pixels = np.asarray(Image.open(path.with_name(f"p{n:02d}.png")))
        if ending == "tif":
            Image.fromarray(pixels.astype(np.uint16) * 200).save(path)
        elif ending == "jpg":
            Image.fromarray(pixels).save(path, quality=95)
        elif ending == "dcm":
            write_dicom(path, pixels.astype(np.int64) * 16)
        else:
            nibabel.save(nibabel.Nifti1Image(pixels.T, np.eye(4)), path)
        path.with_name(f"p{n:02d}.png").unlink()
    cases = folder.cases(root=str(folder_data))
    assert [case.id for case in cases] == [f"p{n:02d}" for n in range(12)]
    for case in cases[:5]:
        image, masks = read_case(case, ["lung"])
        assert image.shape == (80, 96)
        assert image[masks[0]].mean() > image[~masks[0]].mean() + 40


def _shouted(root):
    text = (root / "metadata.csv").read_text()
    (root / "metadata.csv").write_text(text.replace(".png", ".PNG"))


def _semicolons(root):
    text = (root / "metadata.csv").read_text()
    (root / "metadata.csv").write_text(text.replace(",", ";"))


def _no_ending(root):
    text = (root / "metadata.csv").read_text()
    (root / "metadata.csv").write_text(text.replace(".png", ""))


@pytest.mark.parametrize("change", [_shouted, _semicolons, _no_ending])
def test_a_table_is_understood_however_it_was_written(folder_data, change):
    before = folder.cases(root=str(folder_data))
    change(folder_data)
    assert folder.cases(root=str(folder_data)) == before


def _other_names(root):
    (root / "metadata.csv").write_text("file,patient\nimg0.png,1\nimg1.png,1\n")


def _one_row_less(root):
    text = (root / "metadata.csv").read_text()
    (root / "metadata.csv").write_text("\n".join(text.splitlines()[:-1]) + "\n")


def _contradiction(root):
    with (root / "metadata.csv").open("a") as file:
        file.write("p00.png,another patient,Normal\n")


def _no_root(root):
    shutil.rmtree(root)


def _no_images(root):
    shutil.rmtree(root / "images")


def _stray(root):
    write_png(root / "lung_masks" / "other.png", np.zeros((8, 8), np.uint8))


def _twice(root):
    shutil.copy(root / "images" / "p00.png", root / "images" / "p00.bmp")


def _columns(root):
    (root / "metadata.csv").write_text("a,b\n1,2\n")


def _split(root):
    rows = "".join(f"p{n:02d}.png,sideways\n" for n in range(12))
    (root / "metadata.csv").write_text("file,split\n" + rows)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_root, "data.root=.*: no such folder"),
        (_no_images, r"has no folder images; expected the X-rays in .*images"),
        (_other_names, r"p00\.png: metadata\.csv has no row for it, so its patient is unknown.*\(12 such files\)"),
        (_one_row_less, r"p11\.png: metadata\.csv has no row for it"),
        (_contradiction, r"metadata\.csv: line 14 says something else of p00\.png than a line before"),
        (_stray, "other.png: no image of that name"),
        (_twice, "has the same name"),
        (_columns, "metadata.csv: has the columns a, b; expected one called file"),
        (_split, "metadata.csv: p00.png has split 'sideways'"),
    ],
)
def test_what_is_wrong_with_the_folder_is_said(folder_data, spoil, message):
    spoil(folder_data)
    with pytest.raises(UserError, match=message) as caught:
        folder.cases(root=str(folder_data))
    assert len(str(caught.value).splitlines()) == 1


def test_real_x_rays_are_read_and_trained_on(realdata, tmp_path):
    root = realdata / "cxr_infection"
    cases = folder.cases(root=str(root))
    assert len(cases) == len(list((root / "images").iterdir())) > 20
    sizes = []
    for case in cases:
        image, masks = read_case(case, ["lung", "infection"])
        assert masks.shape == (2, *image.shape)
        sizes.append(masks[1].sum())
        assert 0.05 < masks[0].mean() < 0.8
        assert image.std() > 10
    assert np.mean(np.array(sizes) > 0) > 0.5
    words = [f"data.root={root}", "data.size=64", "model=unet_classic", "model.width=4", "model.depth=3"]
    words += ["data.workers=0", "trainer.max_epochs=10", "trainer=cpu", "logger=none", "optim.lr=0.01"]
    run = train(train_config(["data=folder", "task=lung", *words, f"run_dir={tmp_path / 'run'}"]))
    assert evaluate(evaluate_config([f"run={run.path}"])).summary["results"]["model"]["lung"]["dice"] > 0.6


def test_a_picture_of_a_kind_that_is_not_read_is_named(folder_data, caplog):
    caplog.set_level("INFO", "lungseg")
    (folder_data / "images" / "p99.gif").write_bytes(b"GIF89a")
    folder.cases(root=str(folder_data))
    assert "p99.gif: pictures that end in .gif are passed over" in caplog.text
    (folder_data / "images" / "p03.png").rename(folder_data / "images" / "p03.gif")
    with pytest.raises(UserError, match=r"lung_masks/p03\.png: its image p03\.gif in .* is of a kind that is not read"):
        folder.cases(root=str(folder_data))
