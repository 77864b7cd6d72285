"""Files as a viewer shows them, or refused in one line: by training and by the check alike."""

import subprocess
import sys

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from lungseg.core.errors import UserError
from lungseg.data.audit.inspect import inspect
from lungseg.data.case import Case
from lungseg.data.io import spacing
from lungseg.data.io.image import read_case, read_image, read_mask
from tests.data.io.test_dicom import write_dicom
from tests.helpers import ROOT, write_png

GREY = np.random.default_rng(0).integers(0, 200, (20, 30), dtype=np.uint8)
LUNG = np.zeros((20, 30), np.uint8)
LUNG[3:9, 4:20] = 255
TURNS = {2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 6: lambda a: np.rot90(a, -1), 8: lambda a: np.rot90(a)}


def turned(path, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **({"quality": 100} if path.suffix == ".jpg" else {}))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", TURNS)
def test_an_image_is_turned_as_its_exif_says(tmp_path, ending, orientation):
    shown = TURNS[orientation](GREY)
    path, mask = tmp_path / f"a.{ending}", tmp_path / "m.png"
    turned(path, GREY, orientation)
    write_png(mask, TURNS[orientation](LUNG))  # drawn on what a viewer shows
    case = Case(id="a", image=path, masks={"lung": mask}, patient="a", label="x")
    image, (lung,) = read_case(case, ["lung"])
    assert image.shape == shown.shape
    assert np.abs(image.astype(int) - shown).max() <= 3
    np.testing.assert_array_equal(lung, TURNS[orientation](LUNG) > 0)
    (problem,) = inspect(case).problems
    assert (problem.kind, problem.path, problem.harm) == ("turned by EXIF", path, False)


def test_an_image_that_is_turned_over_is_told_beside_its_mask_of_another_size(tmp_path):
    turned(tmp_path / "a.jpg", GREY, 6)
    write_png(tmp_path / "m.png", LUNG)  # drawn on the pixels as they are stored
    case = Case(id="a", image=tmp_path / "a.jpg", masks={"lung": tmp_path / "m.png"}, patient="a", label="x")
    assert [problem.kind for problem in inspect(case).problems] == ["mask size", "turned by EXIF"]


def _pages(path):
    Image.fromarray(GREY).save(path, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)])


def _animated(path):
    Image.fromarray(GREY).save(path, "PNG", save_all=True, append_images=[Image.fromarray(GREY[::-1])])


def _gif(path):
    Image.fromarray(GREY).save(path, "GIF", save_all=True, append_images=[Image.fromarray(GREY[::-1])])


def _transparent(path):
    Image.fromarray(np.dstack([GREY, GREY, GREY, LUNG])).save(path, "PNG")


def _transparent_grey(path):
    Image.fromarray(GREY).save(path, "PNG", transparency=int(GREY[0, 0]))


def _nan_tiff(path):
    pixels = GREY.astype(np.float32)
    pixels[4, 5] = np.nan
    Image.fromarray(pixels).save(path, "TIFF")


def _infinite_tiff(path):
    pixels = GREY.astype(np.float32)
    pixels[4, 5], pixels[0, 0] = np.inf, -np.inf
    Image.fromarray(pixels).save(path, "TIFF")


def _truncated(path):
    Image.fromarray(GREY).save(path, "TIFF")
    path.write_bytes(path.read_bytes()[:150])


def _zero(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_pages, "holds 2 pages; expected one image"),
        (_animated, "holds 2 pages; expected one image"),
        (_gif, "holds 2 pages; expected one image"),
        (_transparent, "parts of it are transparent"),
        (_transparent_grey, "parts of it are transparent"),
        (_nan_tiff, "1 of 600 values is NaN or infinite"),
        (_infinite_tiff, "2 of 600 values are NaN or infinite"),
        (_truncated, "cannot be decoded as an image"),
        (_zero, "cannot be decoded as an image"),
    ],
)
def test_what_is_no_one_image_is_refused_as_image_and_as_mask_and_by_the_check(tmp_path, write, message):
    path, other = tmp_path / "a.tif", tmp_path / "b.png"
    write(path)
    write_png(other, LUNG)
    for read in (lambda: read_image(path), lambda: read_mask(path, other, (20, 30))):
        with pytest.raises(UserError, match=message) as caught:
            read()
        assert str(caught.value).startswith(f"{path}: ")
        assert len(str(caught.value).splitlines()) == 1
    for case in (
        Case(id="a", image=path, masks={"lung": other}, patient="a", label="x"),
        Case(id="a", image=other, masks={"lung": path}, patient="a", label="x"),
    ):
        (problem,) = inspect(case).problems
        assert (problem.kind, problem.path, problem.harm) == ("unreadable", path, True)


def test_an_opaque_alpha_channel_hides_nothing(tmp_path):
    Image.fromarray(np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), GREY)


@pytest.mark.parametrize("mode", ["LAB", "CMYK", "YCbCr", "I", "1"])
def test_every_kind_of_pixels_becomes_one_grey_plane(tmp_path, mode):
    made = Image.frombytes(mode, (30, 20), GREY.tobytes() * 3) if mode == "LAB" else Image.fromarray(GREY).convert(mode)
    made.save(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    assert (image.shape, image.dtype) == ((20, 30), np.uint8)
    assert np.unique(image).size > 1


def test_no_warning_quotes_what_a_dicom_says_of_its_patient(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", GREY.astype(np.int64) * 16)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.x.1").replace(b"PN", b"UI"))
    run = "import sys; from pathlib import Path; from lungseg.data.io import dicom; dicom.read(Path(sys.argv[1]))"
    said = subprocess.run([sys.executable, "-c", run, str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Warning" not in said.stderr
    assert "Doe" not in said.stderr


@pytest.mark.parametrize("written", ["BMP", "PNG", "JPEG"])
def test_the_content_counts_and_not_the_ending(tmp_path, written):
    Image.fromarray(GREY).save(tmp_path / "a.tiff", written)
    assert np.abs(read_image(tmp_path / "a.tiff").astype(int) - GREY).mean() < 8


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_nifti_with_one_value_that_is_no_number_is_refused(tmp_path, value, ending):
    pixels = GREY.T.astype(np.float32)
    pixels[3, 4] = value
    path = tmp_path / f"a.{ending}"
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), path)
    with pytest.raises(UserError, match=r"a\.nii.*: 1 of 600 values is NaN or infinite, no brightness"):
        read_image(path)
    (problem,) = inspect(Case(id="a", image=path, patient="a", label="x")).problems
    assert problem.kind == "unreadable"
    volume = np.zeros((6, 7, 8), np.float32)
    volume[1, 2, 3] = value
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    assert [one.kind for one in inspect(Case(id="a", image=path, patient="a", label="x")).problems] == ["unreadable"]


def test_a_nifti_of_colours_or_complex_numbers_is_refused(tmp_path):
    for pixels in (GREY.T.astype(np.complex64), np.zeros((4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])):
        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), tmp_path / "a.nii")
        with pytest.raises(UserError, match=r"a\.nii: holds values of type"):
            read_image(tmp_path / "a.nii")


def test_a_nifti_with_a_unit_that_is_none_has_no_size_of_pixels(tmp_path):
    image = nibabel.Nifti1Image(GREY.T, np.diag([0.2, 0.2, 1, 1]))
    nibabel.save(image, tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[123] = 6
    (tmp_path / "a.nii").write_bytes(content)
    case = Case(id="a", image=tmp_path / "a.nii", patient="a", label="x")
    assert spacing.spacing(case) is None
    assert not [problem for problem in inspect(case).problems if problem.kind == "unreadable"]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"RescaleSlope": "nan", "RescaleIntercept": "0"}, "values of NaN or infinity"),
        ({"RescaleSlope": "1e300", "RescaleIntercept": "1e308"}, None),
        ({"WindowCenter": "100", "WindowWidth": "0"}, "its window or rescaling cannot be applied"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "its PhotometricInterpretation is PALETTE COLOR"),
    ],
)
def test_a_dicom_whose_header_makes_no_image_is_refused(tmp_path, tags, message):
    path = tmp_path / "a.dcm"
    write_dicom(path, GREY.astype(np.int64) * 16)
    file = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        for name, value in tags.items():
            setattr(file, name, value)
        file.save_as(path)
    if message is None:
        assert read_image(path).dtype == np.uint8
        return
    with pytest.raises(UserError, match=message) as caught:
        read_image(path)
    assert len(str(caught.value).splitlines()) == 1


def said_of(path):
    """Returns what training says of a file that it refuses; None where it reads it."""
    try:
        image = read_image(path)
    except UserError as error:
        return str(error)
    return None if image.ndim == 2 and image.dtype == np.uint8 else "is no image"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(5))
def test_damaged_files_are_images_or_one_line(tmp_path, seed):
    """Training and the check agree on each, and neither ends with a traceback."""
    generator = np.random.default_rng(seed)
    write_png(tmp_path / "a.png", GREY)
    Image.fromarray(GREY).save(tmp_path / "a.jpg")
    Image.fromarray(GREY).save(tmp_path / "a.tif", compression="tiff_lzw")
    write_dicom(tmp_path / "a.dcm", GREY.astype(np.int64) * 16)
    for name in ("a.nii", "a.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(GREY.T, np.eye(4)), tmp_path / name)
    refused = 0
    for path in sorted(tmp_path.iterdir()):
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(12):
            content = whole.copy()
            content[generator.integers(0, min(len(content), 400), 6)] = generator.integers(0, 256, 6)
            path.write_bytes(content[: generator.integers(1, 2 * len(content))].tobytes())
            finding = inspect(Case(id="a", image=path, patient="a", label="x"))
            unreadable = any(problem.kind == "unreadable" for problem in finding.problems)
            refusal = said_of(path)
            assert refusal is None or len(refusal.splitlines()) == 1
            assert (refusal is None) == (not unreadable and not finding.is_volume)
            refused += refusal is not None
    assert refused > 10


def test_a_turned_mask_is_told_as_a_mask_and_an_orientation_that_means_nothing_is_not_told(tmp_path):
    turned(tmp_path / "a.png", GREY, 9)
    turned(tmp_path / "m.png", LUNG, 2)
    case = Case(id="a", image=tmp_path / "a.png", masks={"lung": tmp_path / "m.png"}, patient="a", label="x")
    (problem,) = inspect(case).problems
    assert problem.path == tmp_path / "m.png"
    assert problem.said.endswith("; so turned, this mask must lie on its image")


def _far_nifti(path, pixels):
    nibabel.save(nibabel.Nifti1Image(pixels.T, np.eye(4)), path)


def _far_tiff(path, pixels):
    Image.fromarray(pixels).save(path)


def _far_dicom(path, pixels):
    write_dicom(path, np.where(pixels > 1e6, 65535, pixels), bits=16)


@pytest.mark.parametrize(("ending", "write"), [("nii.gz", _far_nifti), ("tif", _far_tiff), ("dcm", _far_dicom)])
@pytest.mark.parametrize("number", [1, 5])
def test_a_few_values_far_away_that_leave_the_rest_black_are_refused(tmp_path, ending, write, number):
    pixels = np.random.default_rng(0).integers(0, 200, (24, 24)).astype(np.float32)
    path = tmp_path / f"a.{ending}"
    write(path, pixels)
    assert read_image(path).std() > 50
    pixels.flat[:number] = 3e38
    write(path, pixels)
    with pytest.raises(
        UserError, match=r"a\..*: values as far away as (3e\+38|65535) leave .* in two of 256 grey levels"
    ):
        read_image(path)
    (problem,) = inspect(Case(id="a", image=path, masks={}, patient="a", label="x")).problems
    assert problem.harm
    assert "in two of 256 grey levels" in problem.said


def test_a_volume_with_a_voxel_far_away_is_told_by_the_check(tmp_path):
    voxels = np.random.default_rng(0).normal(-500, 300, (20, 20, 6)).astype(np.float32)
    _far_nifti(tmp_path / "a.nii.gz", voxels)
    case = Case(id="a", image=tmp_path / "a.nii.gz", masks={}, patient="a", label="x")
    assert inspect(case).problems == ()
    voxels[3, 3, 3] = 3e38
    _far_nifti(tmp_path / "a.nii.gz", voxels)
    (problem,) = inspect(case).problems
    assert "values as far away as 3e+38" in problem.said


def test_a_far_value_that_is_shown_white_and_an_image_of_few_values_are_accepted(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 200, (64, 64)).astype(np.float32)
    pixels[0, 0] = 3e38
    _far_tiff(tmp_path / "a.tif", pixels)
    assert read_image(tmp_path / "a.tif").std() > 50
    pixels = np.zeros((64, 64), np.float32)
    pixels[:4, :4] = 1000
    _far_tiff(tmp_path / "a.tif", pixels)
    assert np.unique(read_image(tmp_path / "a.tif")).tolist() == [0, 255]
