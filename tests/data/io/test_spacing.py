import nibabel
import numpy as np
import pytest
from pydicom.config import settings

from lungseg.data.case import Case
from lungseg.data.io.spacing import distance_unit, spacing
from lungseg.data.sources import phantom
from tests.data.io.test_dicom import write_dicom
from tests.helpers import write_png

PIXELS = np.arange(600, dtype=np.int64).reshape(20, 30)


def case(path):
    return Case(id=path.stem, image=path, patient=path.stem, label="x")


def nifti(path, shape, sizes, unit="mm"):
    image = nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.diag([*sizes, *[1.0] * (3 - len(sizes)), 1.0]))
    image.header.set_zooms(sizes)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return case(path)


def test_a_dicom_says_how_far_its_rows_are_apart_and_then_its_columns(tmp_path):
    assert spacing(case(write_dicom(tmp_path / "a.dcm", PIXELS, PixelSpacing=[0.5, 0.25]))) == (0.5, 0.25)
    assert spacing(case(write_dicom(tmp_path / "b.dcm", PIXELS, ImagerPixelSpacing=[0.14, 0.2]))) == (0.14, 0.2)
    both = {"PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [0.14, 0.2]}
    assert spacing(case(write_dicom(tmp_path / "c.dcm", PIXELS, **both))) == (0.5, 0.25)


@pytest.mark.parametrize("said", [None, [], [0, 0.2], [0.2, -1], [0.3], "0.2"])
def test_a_dicom_that_says_nothing_of_use_has_no_size(tmp_path, said):
    tags = {} if said is None else {"PixelSpacing": said}
    assert spacing(case(write_dicom(tmp_path / "a.dcm", PIXELS, **tags))) is None


def test_a_size_that_is_no_number_and_a_file_that_is_no_dicom_are_left_to_the_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "writing_validation_mode", 0)
    monkeypatch.setattr(settings, "reading_validation_mode", 0)
    path = write_dicom(tmp_path / "a.dcm", PIXELS, PixelSpacing=[0.5, 0.25])
    path.write_bytes(path.read_bytes().replace(b"0.5\\0.25", b"a.b\\0.25"))
    assert spacing(case(path)) is None
    (tmp_path / "b.dcm").write_text("no picture at all")
    assert spacing(case(tmp_path / "b.dcm")) is None


def test_a_nifti_plane_is_measured_along_the_axes_that_are_shown(tmp_path):
    assert spacing(nifti(tmp_path / "a.nii.gz", (40, 30), (0.7, 0.9))) == pytest.approx((0.9, 0.7))
    assert spacing(nifti(tmp_path / "b.nii", (40, 30, 1), (0.7, 0.9, 5.0))) == pytest.approx((0.9, 0.7))
    assert spacing(nifti(tmp_path / "c.nii", (40, 30), (1.0, 1.0), "unknown")) is None
    assert spacing(nifti(tmp_path / "d.nii", (40, 30), (0.7, 0.9), "meter")) is None


def test_no_other_picture_has_a_size(tmp_path):
    write_png(tmp_path / "a.png", PIXELS.astype(np.uint8))
    assert spacing(case(tmp_path / "a.png")) is None
    assert spacing(phantom.cases(count=1, pixels=32)[0]) is None


def test_millimetres_and_pixels_are_never_averaged(tmp_path):
    sized = [case(write_dicom(tmp_path / f"{n}.dcm", PIXELS, PixelSpacing=[0.5, 0.1 * n])) for n in (1, 2)]
    assert distance_unit(sized) == "mm"
    bare = case(write_dicom(tmp_path / "3.dcm", PIXELS))
    assert distance_unit([*sized, bare]) == distance_unit([bare, *sized]) == "px"
