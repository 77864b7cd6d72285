import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from lungseg.core.errors import UserError
from lungseg.data.visualize.overlay import Overlay
from lungseg.evaluation.thumbnails import SIDE, Pictures, PictureWriter


def disc(shape, radius, centre=None):
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    top, left = centre or (shape[0] / 2, shape[1] / 2)
    return (yy - top) ** 2 + (xx - left) ** 2 < radius**2


def smooth(shape):
    return np.asarray(np.add.outer(np.linspace(0, 120, shape[0]), np.linspace(0, 120, shape[1])), np.uint8)


def write(path, *cases, regions=("lung", "infection")):
    with zipfile.ZipFile(path, "w") as archive:
        writer = PictureWriter(archive, regions)
        for image, reference, prediction in cases:
            writer.add(Overlay("a", "x", image, reference, prediction, {}))
    return path


def masks(shape, *radii):
    return np.stack([disc(shape, radius) for radius in radii])


@pytest.fixture
def archive(tmp_path):
    small, large = (60, 80), (600, 300)
    folder = tmp_path / "runs" / "mine" / "evaluation" / "phantom-test"
    folder.mkdir(parents=True)
    return write(
        folder / "pictures.zip",
        (smooth(small), masks(small, 20, 8), masks(small, 18, 0)),
        (smooth(large), masks(large, 100, 40), masks(large, 90, 30)),
    )


def test_a_small_image_and_its_masks_come_back_as_they_were(archive):
    pictures = Pictures(archive)
    with Image.open(io.BytesIO(pictures.jpeg(0))) as file:
        assert np.abs(np.asarray(file).astype(int) - smooth((60, 80))).mean() < 2
    assert np.array_equal(pictures.mask("reference", "lung", 0), disc((60, 80), 20))
    assert np.array_equal(pictures.mask("reference", "infection", 0), disc((60, 80), 8))
    assert np.array_equal(pictures.mask("prediction", "lung", 0), disc((60, 80), 18))


def test_a_region_that_was_not_predicted_comes_back_empty(archive):
    assert "prediction/infection/0.png" not in Pictures(archive).names
    assert not Pictures(archive).mask("prediction", "infection", 0).any()


def test_a_large_case_is_kept_small_in_its_own_proportions(archive):
    pictures = Pictures(archive)
    with Image.open(io.BytesIO(pictures.jpeg(1))) as file:
        assert file.size == (SIDE // 2, SIDE)
    share = pictures.mask("reference", "lung", 1).mean()
    assert share == pytest.approx(disc((600, 300), 100).mean(), rel=0.02)


def test_equal_judgements_are_equal_files(tmp_path):
    case = (smooth((60, 80)), masks((60, 80), 20, 8), masks((60, 80), 18, 0))
    assert write(tmp_path / "a.zip", case).read_bytes() == write(tmp_path / "b.zip", case).read_bytes()


def test_what_is_missing_or_damaged_says_how_to_make_it_again(archive):
    again = r"judge the run again: python evaluate\.py run=.*runs/mine$"
    with pytest.raises(UserError, match=again):
        Pictures(archive).jpeg(2)
    archive.write_bytes(archive.read_bytes()[:500])
    with pytest.raises(UserError, match=again):
        Pictures(archive)
