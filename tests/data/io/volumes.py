"""Volumes in any orientation, for tests."""

import itertools

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

ORIENTATIONS = [
    "".join(sides)
    for axes in itertools.permutations(("LR", "AP", "IS"))
    for sides in itertools.product(*axes)
]  # fmt: skip


def voxels(shape=(5, 6, 7), seed=0):
    return np.random.default_rng(seed).integers(-1000, 1000, shape, dtype=np.int16)


def save(path, array, affine=None, **header):
    """Writes an array [I, J, K]; header fields are set afterwards in the file, as a careless tool would."""
    image = nibabel.Nifti1Image(array, np.diag([0.7, 0.8, 2.5, 1.0]) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def turned(array_lps, affine_lps, codes):
    """The same volume stored with other axes: array [I, J, K] and its affine."""
    turn = ornt_transform(axcodes2ornt("LPS"), axcodes2ornt(codes))
    return apply_orientation(array_lps, turn), affine_lps @ inv_ornt_aff(turn, array_lps.shape)
