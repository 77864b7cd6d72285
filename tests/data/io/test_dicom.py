import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian

from lungseg.core.errors import UserError
from lungseg.data.io.image import read_image


def write_dicom(path, pixels, bits=12, signed=False, syntax=ExplicitVRLittleEndian, **tags):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.Rows, file.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        file.NumberOfFrames = len(pixels)
    file.SamplesPerPixel, file.BitsAllocated, file.BitsStored, file.HighBit = 1, 16, bits, bits - 1
    file.PixelRepresentation, file.PhotometricInterpretation = int(signed), "MONOCHROME2"
    file.PatientName, file.PatientID = "Doe^Jane", "secret-17"
    file.PixelData = pixels.astype(np.int16 if signed else np.uint16).tobytes()
    for name, value in tags.items():
        setattr(file, name, value)
    file.save_as(path, enforce_file_format=True)
    return path


RAMP = np.arange(0, 4096, dtype=np.int64).reshape(64, 64)


def test_a_window_is_applied_as_the_standard_says(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", RAMP, WindowCenter=2000, WindowWidth=1000)
    expected = np.clip((RAMP - (2000 - 0.5)) / (1000 - 1) + 0.5, 0, 1) * 255
    assert np.abs(read_image(path).astype(float) - expected).max() <= 1


def test_rescale_comes_before_the_window(tmp_path):
    tags = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3000, "WindowWidth": 2000}
    read = read_image(write_dicom(tmp_path / "a.dcm", RAMP, **tags)).astype(float)
    values = RAMP * 2 - 1000
    expected = np.clip((values - (3000 - 0.5)) / (2000 - 1) + 0.5, 0, 1) * 255
    assert np.abs(read - expected).max() <= 1


def test_a_window_wider_than_the_values_is_not_stretched(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", RAMP // 4 + 1500, WindowCenter=2048, WindowWidth=4096)
    assert 85 < read_image(path).min() < 100
    assert 150 < read_image(path).max() < 165


def test_monochrome1_is_shown_the_other_way_round(tmp_path):
    plain = read_image(write_dicom(tmp_path / "a.dcm", RAMP))
    inverted = read_image(write_dicom(tmp_path / "b.dcm", RAMP, PhotometricInterpretation="MONOCHROME1"))
    assert np.abs(plain.astype(int) + inverted - 255).max() <= 1
    assert plain[0, 0] < plain[-1, -1]


def test_signed_pixels_without_a_window_are_stretched(tmp_path):
    read = read_image(write_dicom(tmp_path / "a.dcm", RAMP - 2048, signed=True))
    assert (read.min(), read.max()) == (0, 255)
    assert (np.diff(read.ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("how", ["truncated", "text", "compressed", "frames"])
def test_what_cannot_be_shown_is_one_line_without_the_patient(tmp_path, how):
    path = tmp_path / "a.dcm"
    if how == "frames":
        write_dicom(path, np.zeros((3, 8, 8)))
    else:
        write_dicom(path, RAMP)
    if how == "compressed":
        file = pydicom.dcmread(path)
        file.file_meta.TransferSyntaxUID = JPEG2000
        file.PixelData = pydicom.encaps.encapsulate([b"no such stream"])
        file["PixelData"].VR = "OB"
        file.save_as(path)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    if how == "text":
        path.write_text("no picture at all")
    with pytest.raises(UserError, match=r"a\.dcm: ") as caught:
        read_image(path)
    assert len(str(caught.value).splitlines()) == 1
    assert "Doe" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nothing_of_the_patient_reaches_a_case(tmp_path):
    from lungseg.data.sources import folder

    (tmp_path / "images").mkdir()
    write_dicom(tmp_path / "images" / "a.dcm", RAMP)
    (case,) = folder.cases(root=str(tmp_path))
    assert "Doe" not in repr(case)
    assert "secret" not in repr(case)
    assert pydicom.dcmread(case.image).PatientID == "secret-17"
