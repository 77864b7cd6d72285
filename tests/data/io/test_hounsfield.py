from pathlib import Path

import numpy as np
import pytest

from lungseg.core.errors import DataError
from lungseg.data.io.hounsfield import as_hounsfield, is_windowed, rescale, window, window_to_uint8
from lungseg.data.io.volume import read_volume_file


def test_slope_and_intercept_keep_whole_numbers_whole():
    whole = rescale(np.array([0, 1024, 3000], np.uint16), 1, -1024)
    assert whole.dtype == np.int16
    assert whole.tolist() == [-1024, 0, 1976]
    assert rescale(np.array([1, 2]), 0.5, 0).tolist() == [0.5, 1]
    assert rescale(np.array([1, 2]), 0.5, 0).dtype == np.float32
    assert rescale(np.array([65535], np.uint16), 2, 0).tolist() == [131070]


def test_a_window_clips_and_scales():
    voxels = np.array([-2000, -1350, -600, 150, 3000], np.int16)
    assert window(voxels, -1350, 150).tolist() == [0, 0, 0.5, 1, 1]
    assert window(voxels, -1350, 150).dtype == np.float32
    assert window_to_uint8(voxels, -1350, 150).tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(ValueError, match="from 150 to 150 shows nothing"):
        window(voxels, 150, 150)


def test_an_8_bit_scan_comes_to_the_same_scale():
    voxels = np.array([0, 51, 255], np.int16)
    assert is_windowed(voxels)
    assert as_hounsfield(voxels, Path("a.nii")).tolist() == [-1250, -950, 250]
    assert as_hounsfield(voxels, Path("a.nii"), (-1000, 20)).tolist() == [-1000, -796, 20]


def test_what_lies_outside_the_scanner_is_air():
    voxels = np.array([-3024, -1000, 40, 2000], np.int16)
    assert not is_windowed(voxels)
    assert as_hounsfield(voxels, Path("a.nii")).tolist() == [-1024, -1000, 40, 2000]


@pytest.mark.parametrize("ends", [(0, 4095), (0, 1), (-3, 4.5), (0, 0), (-1000, -900), (-1000, 70000), (-200, 300)])
def test_a_scan_that_is_neither_is_refused_with_its_range(ends):
    with pytest.raises(DataError) as caught:
        as_hounsfield(np.array(ends, np.float32), Path("a.nii"))
    assert str(caught.value).startswith(f"a.nii: its voxels go from {ends[0]:g} to {ends[1]:g}; expected Hounsfield")
    assert len(str(caught.value).splitlines()) == 1


def test_the_real_scans_come_to_one_scale(realdata):
    for path in sorted((realdata / "covid19_ct" / "ct_scans").glob("*.nii.gz")):
        voxels = read_volume_file(path).voxels
        assert is_windowed(voxels) == path.name.startswith("radiopaedia")
        name = path.name.replace("_org", "").replace("covid-19-pneumonia-", "").replace("-dcm", "")
        lung = read_volume_file(path.parents[1] / "lung_mask" / name).voxels > 0
        assert -900 < np.median(as_hounsfield(voxels, path)[lung]) < -600
