"""Scans in every orientation that a file may have, and those that cannot be used."""

import itertools

import nibabel
import numpy as np
import pytest

from lungseg.core.errors import UserError
from lungseg.data.case import Case, MaskFile
from lungseg.data.volumes.reading import read_scan, read_volume_masks

SHAPE = (6, 7, 8)  # x, y, z
SPACING = (0.7, 0.8, 3.0)
ORIENTATIONS = [
    "".join(signs) for axes in itertools.permutations(("LR", "PA", "IS")) for signs in itertools.product(*axes)
]


def write(path, values, affine):
    image = nibabel.Nifti1Image(values, None)
    image.set_sform(affine, code=2)
    nibabel.save(image, path)
    return path


def voxels():
    return np.random.default_rng(0).integers(-1000, 400, SHAPE, dtype=np.int16)


def lps(values=None, spacing=SPACING):
    """A file whose axes lead to the left, the back and the head: as a scan is held, but for the order of its axes."""
    return nibabel.Nifti1Image(
        voxels() if values is None else values, np.diag([-spacing[0], -spacing[1], spacing[2], 1])
    )


def turned_file(path, codes, image):
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(codes)
    )
    nibabel.save(image.as_reoriented(turn), path)
    return path


def case_of(scan, **masks):
    return Case(id="a", image=scan, masks=masks, patient="a", label="x")


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_scan_is_the_same_however_its_file_is_turned(tmp_path, codes):
    scan = read_scan(turned_file(tmp_path / "scan.nii.gz", codes, lps()))
    assert np.array_equal(scan.voxels, voxels().T)
    assert scan.spacing == pytest.approx(SPACING[::-1])
    assert np.allclose(scan.volume.affine, lps().affine, atol=1e-5)


def test_a_mask_may_be_stored_otherwise_than_its_scan_but_not_lie_elsewhere(tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2] = 1
    scan = turned_file(tmp_path / "scan.nii", "LPS", lps())
    mask = turned_file(tmp_path / "mask.nii", "SRA", lps(labels))
    assert np.array_equal(read_volume_masks(case_of(scan, lung=mask), ["lung"], read_scan(scan))[0], labels.T == 1)
    moved = write(tmp_path / "moved.nii", labels, lps().affine + np.array([[0, 0, 0, 3.0]] + [[0] * 4] * 3))
    with pytest.raises(UserError, match=r"moved\.nii: its affine puts the mask up to 3\.00 mm away from its scan"):
        read_volume_masks(case_of(scan, lung=moved), ["lung"], read_scan(scan))


def test_labels_of_both_lungs_are_the_lung(tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1], labels[4] = 1, 2
    scan = turned_file(tmp_path / "scan.nii", "LAS", lps())
    mask = turned_file(tmp_path / "mask.nii", "LAS", lps(labels))
    case = case_of(scan, lung=MaskFile((mask,), labels=(1, 2)))
    (lung,) = read_volume_masks(case, ["lung"], read_scan(scan))
    assert np.array_equal(lung, (labels > 0).T)


def test_grey_levels_of_eight_bits_are_brought_to_hounsfield_units(tmp_path):
    levels = np.linspace(0, 255, np.prod(SHAPE)).reshape(SHAPE).astype(np.uint8)
    scan = read_scan(turned_file(tmp_path / "scan.nii", "RAS", lps(levels)))
    assert (scan.voxels.min(), scan.voxels.max()) == (-1250, 250)
