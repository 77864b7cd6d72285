import numpy as np
import pytest
from PIL import Image

from lungseg.core.errors import UserError
from lungseg.data.case import MaskFile
from lungseg.data.io.image import read_image, read_mask, resize_image, resize_masks
from tests.helpers import write_png


def test_a_grey_png_is_read_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
    write_png(tmp_path / "a.png", pixels)
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
def test_colour_modes_become_grey(tmp_path, mode):
    pixels = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (20, 1))
    colour = Image.fromarray(pixels).convert("RGB")
    (colour.quantize(64) if mode == "P" else colour.convert(mode)).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.shape == pixels.shape
    assert np.abs(read.astype(int) - pixels).max() <= 1


def test_sixteen_bits_are_stretched_in_order(tmp_path):
    pixels = np.arange(0, 4000, dtype=np.uint16).reshape(40, 100)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    assert read.min() == 0
    assert read.max() == 255
    assert (np.diff(read.ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("high", [1, 255, 200])
def test_a_mask_of_two_levels_is_read_whatever_the_upper_one(tmp_path, high):
    expected = np.random.default_rng(0).random((20, 20)) > 0.5
    write_png(tmp_path / "m.png", (expected * high).astype(np.uint8))
    assert np.array_equal(read_mask(tmp_path / "m.png", tmp_path / "i.png", (20, 20)), expected)


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_and_a_full_mask(tmp_path, value):
    write_png(tmp_path / "m.png", np.full((8, 8), value, np.uint8))
    assert read_mask(tmp_path / "m.png", tmp_path, (8, 8)).all() == bool(value)
    assert read_mask(tmp_path / "m.png", tmp_path, (8, 8)).any() == bool(value)


def test_a_mask_of_other_values_or_size_is_refused_with_path_and_what_was_found(tmp_path):
    write_png(tmp_path / "m.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
    with pytest.raises(
        UserError, match=r"m\.png: the mask has the values 0, 1, 2, 3, 4, 5, \.\.\.; expected two levels"
    ):
        read_mask(tmp_path / "m.png", tmp_path / "i.png", (8, 8))
    with pytest.raises(UserError, match=r"m\.png: the mask is 8x8 pixels but its image .*i\.png is 6x9"):
        read_mask(tmp_path / "m.png", tmp_path / "i.png", (9, 6))


def test_a_label_map_may_hold_its_documented_labels_and_no_other(tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[2:4], pixels[5] = 1, 2
    write_png(tmp_path / "m.png", pixels)
    lungs = MaskFile((tmp_path / "m.png",), labels=(1, 2))
    np.testing.assert_array_equal(read_mask(lungs, tmp_path / "i.png", (8, 8)), pixels > 0)
    pixels[0, 0] = 7
    write_png(tmp_path / "m.png", pixels)
    with pytest.raises(UserError, match=r"m\.png: the mask has the values 0, 1, 2, 7; expected the labels 0, 1, 2"):
        read_mask(lungs, tmp_path / "i.png", (8, 8))


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_what_cannot_be_decoded_is_named(tmp_path, damage):
    path = tmp_path / "broken.png"
    write_png(path, np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"not a picture", "empty": b""}[damage])
    with pytest.raises(UserError, match=r"broken\.png: cannot be decoded") as caught:
        read_image(path)
    assert len(str(caught.value).splitlines()) == 1


def test_resizing_keeps_areas_and_thin_structures_do_not_alias():
    image = np.zeros((300, 300), np.uint8)
    image[:, ::2] = 200
    assert np.abs(resize_image(image, 100).astype(int) - 100).max() < 40
    masks = np.zeros((2, 300, 200), bool)
    masks[0, 60:240, 50:150] = True
    small = resize_masks(masks, 64)
    assert small.shape == (2, 64, 64)
    assert abs(small[0].mean() - masks[0].mean()) < 0.02
    assert not small[1].any()
