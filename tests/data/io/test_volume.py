import gzip

import nibabel
import numpy as np
import pytest

from lungseg.core.errors import DataError
from lungseg.data.io.volume import read_volume_file
from tests.data.io.volumes import ORIENTATIONS, save, turned, voxels

LPS = np.array([[-0.7, 0, 0, 30], [0, -0.8, 0, 40], [0, 0, 2.5, -50], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_each_orientation_is_read_as_one(tmp_path, codes):
    array, affine = turned(voxels(), LPS, codes)
    volume = read_volume_file(save(tmp_path / "a.nii", array, affine))
    assert np.array_equal(volume.voxels, voxels().transpose(2, 1, 0))
    assert "".join(volume.axis_codes) == codes
    assert volume.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert np.allclose(volume.affine, LPS, atol=1e-5)
    assert np.array_equal(volume.to_stored(volume.voxels), array)


def test_a_slope_is_applied_and_integers_stay_integers(tmp_path):
    assert read_volume_file(save(tmp_path / "a.nii.gz", voxels())).voxels.dtype == np.int16
    image = nibabel.Nifti1Image(voxels().astype(np.float64) / 4, LPS)
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "b.nii.gz")
    read = read_volume_file(tmp_path / "b.nii.gz").voxels
    assert read.dtype == np.float32
    assert np.abs(read - voxels().transpose(2, 1, 0) / 4).max() < 0.01


def test_big_endian_and_nifti_2_files_are_read(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(voxels(), LPS, header), tmp_path / "a.nii")
    nibabel.save(nibabel.Nifti2Image(voxels(), LPS), tmp_path / "b.nii")
    for name in ("a.nii", "b.nii"):
        read = read_volume_file(tmp_path / name).voxels
        assert read.dtype.isnative
        assert np.array_equal(read, voxels().transpose(2, 1, 0))


def test_a_fourth_axis_of_one_is_none(tmp_path):
    volume = read_volume_file(save(tmp_path / "a.nii", voxels()[..., None], LPS))
    assert volume.voxels.shape == (7, 6, 5)
    assert volume.to_stored(volume.voxels).shape == (5, 6, 7, 1)


def test_a_file_that_says_nothing_of_its_sides_is_told(tmp_path):
    assert read_volume_file(save(tmp_path / "a.nii", voxels())).is_oriented
    image = nibabel.Nifti1Image(voxels(), None)
    nibabel.save(image, tmp_path / "b.nii")
    assert not read_volume_file(tmp_path / "b.nii").is_oriented


def patched(path, offset, content):
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(content)] = content
    path.write_bytes(raw)
    return path


def refused(path, *parts):
    with pytest.raises(DataError) as caught:
        read_volume_file(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert len(said.splitlines()) == 1
    assert all(part in said for part in parts), said


@pytest.mark.parametrize("spacing", [0.0, -2.5, np.nan, np.inf])
def test_a_spacing_of_no_use_is_refused(tmp_path, spacing):
    path = save(tmp_path / "a.nii", voxels())
    refused(patched(path, 88, np.float32(spacing).tobytes()), f"x {spacing:g} mm", "expected three sizes above 0")


def test_an_affine_of_no_use_is_refused(tmp_path):
    sheared, singular, flat = LPS.copy(), LPS.copy(), LPS.copy()
    sheared[1, 2], singular[:3, 1], flat[:3, 2] = 1, [-0.7, 0, 1e-7], 0
    path = tmp_path / "a.nii"
    refused(save(path, voxels(), sheared), "sheared by 21.80 degrees", "resample")
    raw = save(path, voxels(), LPS)
    rows = singular[:3].astype(np.float32).tobytes()
    refused(patched(raw, 280, rows), "singular")
    refused(patched(raw, 280, flat[:3].astype(np.float32).tobytes()), "0.7 x 0.8 x 0 mm")
    refused(patched(raw, 280, np.float32(np.nan).tobytes()), "NaN or infinity")


def test_what_is_no_volume_is_refused(tmp_path):
    path = tmp_path / "a.nii"
    refused(save(path, np.zeros((4, 5, 6, 2), np.int16)), "an array of 4x5x6x2", "one volume of three axes")
    refused(save(path, np.zeros((4, 5), np.int16)), "an array of 4x5")
    refused(save(path, np.zeros((4, 5, 1), np.int16)), "4x5x1 voxels, a single slice")
    refused(save(path, np.zeros((4, 5, 6), np.complex64)), "values of type complex64")
    refused(save(path, voxels(), xyzt_units=1), "not measured in millimetres")
    refused(tmp_path / "none.nii", "no such file")
    refused(tmp_path / "a.mha", "its name ends in .mha", "expected a volume in .nii or .nii.gz")


def test_voxels_that_are_no_numbers_are_refused(tmp_path):
    array = voxels().astype(np.float32)
    array[1, 2, 3] = np.nan
    refused(save(tmp_path / "a.nii.gz", array), "1 of 210 values is NaN or infinite")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    path = save(tmp_path / name, voxels((20, 20, 20)))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "not a NIfTI file or damaged", "copy it again")


def test_a_wrong_checksum_is_refused(tmp_path):
    path = save(tmp_path / "a.nii.gz", voxels())
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    refused(path, "damaged")


def test_a_header_that_lies_about_its_size_takes_no_memory(tmp_path):
    path = save(tmp_path / "a.nii", voxels())
    huge = np.int16([3, 32767, 32767, 32767]).tobytes()
    refused(patched(path, 40, huge), "damaged", "bytes of 70")
    path.with_suffix(".nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    refused(path.with_suffix(".nii.gz"), "damaged")
    refused(patched(save(path, voxels()), 108, np.float32(np.nan).tobytes()), "no NIfTI header")


def test_the_real_scans_are_read(realdata):
    for path in sorted((realdata / "covid19_ct" / "ct_scans").glob("*.nii.gz")):
        volume = read_volume_file(path)
        assert volume.voxels.shape == (64, 128, 128)
        assert "".join(volume.axis_codes) == "LAS"
        assert volume.is_oriented
        assert volume.spacing[0] > volume.spacing[1] > 2
        head = volume.voxels[32]  # the table lies behind the patient, who is not in the air
        assert head[90:].mean() > head[:20].mean()
