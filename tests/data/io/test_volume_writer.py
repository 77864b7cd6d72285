import nibabel
import numpy as np
import pytest

from lungseg.core.errors import UserError
from lungseg.data.io.volume import read_volume_file
from lungseg.data.io.volume_writer import write_mask
from tests.data.io.volumes import ORIENTATIONS, save, turned, voxels

ANGLE = np.radians(12)
TURNED = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
LPS = np.array([[-0.7, 0, 0, 30.1], [0, -0.8, 0, 40.2], [0, 0, 2.5, -50.3], [0, 0, 0, 1.0]])
OBLIQUE = LPS.copy()
OBLIQUE[:3, :3] = TURNED @ LPS[:3, :3]


@pytest.mark.parametrize("affine", [LPS, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("codes", [*ORIENTATIONS[::5], "LAS", "RAS", "LPS", "PIR", "SRA"])
def test_another_library_reads_the_mask_on_the_grid_of_its_scan(tmp_path, codes, affine):
    sitk = pytest.importorskip("SimpleITK")
    scan = save(tmp_path / "scan.nii.gz", *turned(voxels(), affine, codes))
    volume = read_volume_file(scan)
    write_mask(volume.voxels > 100, volume, tmp_path / "mask.nii.gz")
    image, mask = sitk.ReadImage(scan), sitk.ReadImage(tmp_path / "mask.nii.gz")
    assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(image) > 100)
    for name in ("GetDirection", "GetOrigin", "GetSpacing"):
        assert getattr(mask, name)() == getattr(image, name)()


@pytest.mark.parametrize("codes", [(0, 2), (1, 0), (1, 1), (0, 0)])
def test_the_affine_is_the_same_bits(tmp_path, codes):
    image = nibabel.Nifti1Image(voxels(), OBLIQUE)
    image.set_qform(OBLIQUE, codes[0])
    image.set_sform(OBLIQUE, codes[1])
    nibabel.save(image, tmp_path / "scan.nii")
    volume = read_volume_file(tmp_path / "scan.nii")
    write_mask(volume.voxels > 0, volume, tmp_path / "mask.nii")
    scan, mask = nibabel.load(tmp_path / "scan.nii"), nibabel.load(tmp_path / "mask.nii")
    assert np.array_equal(mask.affine, scan.affine)
    assert (int(mask.header["qform_code"]), int(mask.header["sform_code"])) == codes
    assert mask.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(mask.dataobj), voxels() > 0)


def test_labels_keep_their_numbers_and_nothing_else_of_the_header_is_kept(tmp_path):
    image = nibabel.Nifti1Image(voxels(), LPS)
    image.header["descrip"] = b"Doe^Jane"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"secret-17"))
    nibabel.save(image, tmp_path / "scan.nii")
    volume = read_volume_file(tmp_path / "scan.nii")
    write_mask((volume.voxels > 0).astype(np.uint8) * 3, volume, tmp_path / "mask.nii")
    assert np.unique(nibabel.load(tmp_path / "mask.nii").dataobj).tolist() == [0, 3]
    content = (tmp_path / "mask.nii").read_bytes()
    assert b"Doe" not in content
    assert b"secret" not in content
    assert b"secret" in (tmp_path / "scan.nii").read_bytes()


def test_a_fourth_axis_and_nifti_2_are_kept(tmp_path):
    nibabel.save(nibabel.Nifti2Image(voxels()[..., None], LPS), tmp_path / "scan.nii")
    volume = read_volume_file(tmp_path / "scan.nii")
    write_mask(volume.voxels > 0, volume, tmp_path / "mask.nii")
    mask = nibabel.load(tmp_path / "mask.nii")
    assert isinstance(mask, nibabel.Nifti2Image)
    assert mask.shape == (5, 6, 7, 1)


def test_what_cannot_be_written_leaves_the_older_file(tmp_path):
    volume = read_volume_file(save(tmp_path / "scan.nii", voxels()))
    path = tmp_path / "mask.nii.gz"
    write_mask(volume.voxels > 0, volume, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not on the grid"):
        write_mask(np.zeros((2, 2, 2), bool), volume, path)
    with pytest.raises(ValueError, match="labels 0 to 255"):
        write_mask(volume.voxels, volume, path)
    with pytest.raises(UserError, match=r"mask\.png: its name ends in \.png"):
        write_mask(volume.voxels > 0, volume, tmp_path / "mask.png")
    write_mask(volume.voxels > 0, volume, path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mask.nii.gz", "scan.nii"]


def test_a_mask_of_a_real_scan_lies_where_the_published_one_does(realdata, tmp_path):
    published = sorted((realdata / "covid19_ct" / "lung_mask").glob("*.nii.gz"))[0]
    volume = read_volume_file(published)
    write_mask(volume.voxels, volume, tmp_path / "mask.nii.gz")
    first, second = nibabel.load(published), nibabel.load(tmp_path / "mask.nii.gz")
    assert np.array_equal(first.affine, second.affine)
    assert np.array_equal(np.asarray(first.dataobj), np.asarray(second.dataobj))
