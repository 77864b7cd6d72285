"""Scans in every orientation that a file may have, and those that cannot be used."""

import itertools

import nibabel
import numpy as np
import pytest

from lungseg.core.errors import UserError
from lungseg.data.case import Case, MaskFile
from lungseg.data.volumes.reading import read_scan, read_volume_masks, stored, turned

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
    assert np.allclose(scan.affine, lps().affine, atol=1e-5)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SLP", "AIR", "PSR"])
def test_what_is_turned_goes_back_to_the_order_of_its_file(tmp_path, codes):
    file = nibabel.load(turned_file(tmp_path / "scan.nii", codes, lps()))
    there = np.asanyarray(file.dataobj)
    assert np.array_equal(stored(turned(there, file.affine), file.affine), there)


def test_a_mask_that_is_turned_otherwise_than_its_scan_is_refused_though_it_has_as_many_voxels(tmp_path):
    cube = np.zeros((6, 6, 6), np.uint8)
    scan = turned_file(tmp_path / "scan.nii", "LPS", lps(voxels()[:, :6, :6]))
    mask = turned_file(tmp_path / "mask.nii", "RPS", lps(cube))
    with pytest.raises(UserError, match=r"mask\.nii: the mask lies elsewhere than its scan scan\.nii: .* by up to"):
        read_volume_masks(case_of(scan, lung=mask), ["lung"], read_scan(scan))


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: write(path, np.zeros((4, 4, 4, 2), np.int16), np.eye(4)), "has 4 dimensions, 4x4x4x2; expected"),
        (lambda path: write(path, voxels()[:, :, :1], np.eye(4)), "has a single slice"),
        (lambda path: write(path, voxels(), np.array([[1, 0.4, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])),
         "its affine is sheared or singular"),
        (lambda path: write(path, voxels(), np.diag([1, 0, 1, 1.0])), "mm; expected a size above 0 along each axis"),
        (lambda path: write(path, np.full(SHAPE, 12, np.int16), np.eye(4)), "its values run from 12 to 12; expected H"),
        (lambda path: write(path, np.full(SHAPE, 900, np.int16), np.eye(4)), "its values run from 900 to 900"),
    ],
)  # fmt: skip
def test_a_scan_that_cannot_be_used_is_one_line(tmp_path, change, message):
    path = tmp_path / "scan.nii"
    change(path)
    with pytest.raises(UserError) as caught:
        read_scan(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_truncated_file_is_one_line(tmp_path):
    path = turned_file(tmp_path / "scan.nii.gz", "RAS", lps())
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"scan\.nii\.gz: not a NIfTI file or damaged"):
        read_scan(path)
