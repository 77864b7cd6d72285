import nibabel
import numpy as np
import pytest

from lungseg.data.io.image import MaskError, MaskSizeError
from lungseg.data.io.label_map import LungLabels, lung_sides, read_label_map, region_mask
from lungseg.data.io.volume import read_volume_file
from tests.data.io.volumes import ORIENTATIONS, save, turned, voxels

LPS = np.array([[-0.7, 0, 0, 30], [0, -0.8, 0, 40], [0, 0, 2.5, -50], [0, 0, 0, 1.0]])
SHAPE = (12, 8, 6)


def lungs(right=1, left=2):
    """[X, Y, Z] in LPS: the patient's right lung at small x."""
    array = np.zeros(SHAPE, np.uint8)
    array[1:5, 2:6, 1:5], array[7:11, 2:6, 1:5] = right, left
    return array


def scan(folder, affine=LPS, shape=SHAPE):
    return read_volume_file(save(folder / "scan.nii", voxels(shape), affine))


def read(folder, labels, affine=LPS, documented=(1, 2)):
    return read_label_map(save(folder / "mask.nii", labels, affine), scan(folder), documented)


def refused(kind, read, *parts):
    with pytest.raises(kind) as caught:
        read()
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert "mask.nii: " in said
    assert all(part in said for part in parts), said


def test_whole_floats_are_labels_and_others_are_refused(tmp_path):
    found = read(tmp_path, lungs().astype(np.float32))
    assert found.voxels.dtype == np.uint8
    assert np.array_equal(found.voxels, lungs().transpose(2, 1, 0))
    blended = lungs().astype(np.float32)
    blended[0, 0, 0] = 0.5
    refused(MaskError, lambda: read(tmp_path, blended), "the values 0.5; expected whole labels")


def test_undocumented_labels_are_refused_with_their_values(tmp_path):
    labels = lungs()
    labels[0, 0, :2] = 3, 7
    refused(MaskError, lambda: read(tmp_path, labels), "undocumented labels 3, 7; expected 0, 1, 2")
    labels = lungs().astype(np.int16)
    labels[0, 0, 0] = -1
    refused(MaskError, lambda: read(tmp_path, labels), "undocumented labels -1")
    refused(MaskError, lambda: read(tmp_path, labels * 300, documented=(300, 600, -300)), "outside 0 to 255")


def test_a_region_is_one_label_or_several(tmp_path):
    found = read(tmp_path, lungs())
    assert np.array_equal(region_mask(found, (1, 2)), lungs().transpose(2, 1, 0) > 0)
    assert np.array_equal(region_mask(found, (2,)), lungs().transpose(2, 1, 0) == 2)


def test_a_mask_of_another_grid_is_refused_by_how_much(tmp_path):
    refused(MaskSizeError, lambda: read(tmp_path, lungs()[:-1]), "is 11x8x6 voxels but its scan", "is 12x8x6")
    moved = LPS.copy()
    moved[:3, 3] += 3, 4, 0
    refused(MaskError, lambda: read(tmp_path, lungs(), moved), "up to 5.00 mm away from its scan")
    coarser = LPS.copy()
    coarser[2, 2] = 3.5
    refused(MaskError, lambda: read(tmp_path, lungs(), coarser), "up to 5.00 mm")
    mirrored = LPS.copy()
    mirrored[0, 0] = 0.7
    refused(MaskError, lambda: read(tmp_path, lungs(), mirrored), "(axes RPS and LPS)")
    rounded = LPS + 1e-5
    rounded[3] = LPS[3]
    read(tmp_path, lungs(), rounded)


def test_a_mask_stored_with_other_axes_lies_on_its_scan(tmp_path):
    for codes in ("RAS", "LAS", "PIR", "SRA"):
        found = read(tmp_path, *turned(lungs(), LPS, codes))
        assert np.array_equal(found.voxels, lungs().transpose(2, 1, 0))


@pytest.mark.parametrize("codes", ORIENTATIONS[::7])
@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_the_affine_says_which_lung_is_left(tmp_path, codes, numbers, caplog):
    right, left = numbers
    labels = read(tmp_path, *turned(lungs(right, left), LPS, codes))
    sides = lung_sides(labels)
    assert np.array_equal(sides.left, lungs(0, 1).transpose(2, 1, 0))
    assert np.array_equal(sides.right, lungs(1, 0).transpose(2, 1, 0))
    assert (sides.contradiction is None) == (numbers == (1, 2))
    assert ("the other way round; the affine is followed" in caplog.text) == (numbers == (2, 1))
    assert lung_sides(labels, LungLabels(right=right, left=left)).contradiction is None


def test_a_mirrored_affine_is_a_contradiction(tmp_path):
    mirrored = LPS.copy()
    mirrored[0] *= -1
    labels = read_volume_file(save(tmp_path / "mask.nii", lungs(), mirrored))
    said = lung_sides(labels).contradiction
    assert "label 1 is documented as the right lung and 2 as the left" in said
    assert len(said.splitlines()) == 1


def test_lungs_of_one_label_have_no_sides(tmp_path):
    refused(MaskError, lambda: lung_sides(read(tmp_path, lungs(1, 1))), "only label 1", "left and right are asked for")
    refused(MaskError, lambda: lung_sides(read(tmp_path, lungs(0, 0))), "the mask has no lung")
    stacked = np.zeros(SHAPE, np.uint8)
    stacked[2:10, :4], stacked[2:10, 4:] = 1, 2
    refused(MaskError, lambda: lung_sides(read(tmp_path, stacked)), "do not lie side by side", "0.0 voxels apart")


def test_a_mask_without_an_affine_has_no_sides(tmp_path):
    nibabel.save(nibabel.Nifti1Image(lungs(), None), tmp_path / "mask.nii")
    labels = read_volume_file(tmp_path / "mask.nii")
    refused(MaskError, lambda: lung_sides(labels), "does not say where left and right are")


def test_the_real_masks_lie_on_their_scans_and_have_their_documented_sides(realdata):
    root = realdata / "covid19_ct"
    for path in sorted((root / "ct_scans").glob("*.nii.gz")):
        volume = read_volume_file(path)
        name = path.name.replace("_org", "").replace("covid-19-pneumonia-", "").replace("-dcm", "")
        labels = read_label_map(root / "lung_mask" / name, volume, (1, 2))
        sides = lung_sides(labels)
        assert sides.contradiction is None
        assert np.array_equal(sides.left | sides.right, region_mask(labels, (1, 2)))
        read_label_map(root / "infection_mask" / name, volume, (1,))
        with pytest.raises(MaskError, match="undocumented labels 2"):
            read_label_map(root / "lung_mask" / name, volume, (1,))
