import nibabel
import numpy as np
import pytest

from lungseg.core.errors import UserError
from lungseg.data.io import nifti
from lungseg.data.io.image import read_image


def save(path, array, spacing=(1, 1, 1)):
    nibabel.save(nibabel.Nifti1Image(array, np.diag([*spacing, 1.0])), path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_volume_keeps_its_voxels_and_their_size(tmp_path, name):
    voxels = np.random.default_rng(0).integers(-1000, 1000, (20, 30, 5), dtype=np.int16)
    path = save(tmp_path / name, voxels, (0.7, 0.8, 5.0))
    assert np.array_equal(nifti.read_volume(path), voxels)
    header = nifti.read_header(path)
    assert header.shape == (20, 30, 5)
    assert header.spacing == pytest.approx((0.7, 0.8, 5.0))


@pytest.mark.parametrize("shape", [(40, 30), (40, 30, 1)])
def test_a_single_plane_is_an_image_with_rows_from_the_top(tmp_path, shape):
    pixels = np.zeros((40, 30), np.uint8)
    pixels[35, 2] = 255
    read = read_image(save(tmp_path / "a.nii.gz", pixels.reshape(shape)))
    assert read.shape == (30, 40)
    assert read[2, 35] == 255


def test_a_volume_where_an_image_is_needed_and_a_damaged_file_are_named(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.zeros((8, 8, 8), np.uint8))
    with pytest.raises(UserError, match=r"a\.nii\.gz: a volume of 8x8x8 voxels where one image was expected"):
        read_image(path)
    path.write_bytes(path.read_bytes()[:40])
    for read in (nifti.read_header, nifti.read_volume):
        with pytest.raises(UserError, match=r"a\.nii\.gz: not a NIfTI file or damaged"):
            read(path)
