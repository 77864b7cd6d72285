import numpy as np
import pytest

from lungseg.data.case import Case, checksum, short_checksum
from lungseg.data.contamination import copies_across, seen_images, without_seen
from lungseg.data.saved_splits import save_splits
from tests.helpers import write_png


def case(folder, name, pixels, id=None):
    path = folder / f"{name}.png"
    write_png(path, np.full((8, 8), pixels, np.uint8) + np.arange(8, dtype=np.uint8))
    return Case(id=id or name, image=path, patient=name, label="x")


@pytest.fixture
def splits(tmp_path):
    """A case on each side, and the file that says so."""
    sides = {name: [case(tmp_path, name, level)] for name, level in (("train", 10), ("val", 20), ("test", 30))}
    save_splits(sides, tmp_path / "splits.json")
    return sides


def test_an_image_is_known_by_its_bytes_whatever_it_is_called(splits, tmp_path):
    seen = seen_images(tmp_path / "splits.json")
    copy, new = case(tmp_path, "copy", 10), case(tmp_path, "new", 40)
    assert seen.among([copy, new, *splits["val"], *splits["test"]]) == [copy, *splits["val"]]
    assert seen.trained_on([copy, new, *splits["val"]]) == [copy]
    table = [copy, new, *splits["val"]]
    shortened = [short_checksum(checksum(one.image)) for one in table]
    assert seen.in_table([one.id for one in table], shortened) == {"copy", "val"}


def test_what_was_seen_is_left_out_and_what_may_be_a_copy_is_told(splits, tmp_path):
    copy, renamed, new = (
        case(tmp_path, "copy", 10),
        case(tmp_path, "elsewhere", 50, id="train"),
        case(tmp_path, "new", 40),
    )
    unseen, told = without_seen([copy, renamed, new], seen_images(tmp_path / "splits.json"))
    assert unseen == [renamed, new]
    assert told[0] == "1 of 3 cases left out: the run was trained on these images"
    assert told[1].startswith("1 of these cases have the name of a training case but other bytes")
    assert without_seen([new], seen_images(tmp_path / "splits.json")) == ([new], [])


def test_a_copy_across_the_split_is_told_with_both_names(splits, tmp_path):
    assert copies_across(tmp_path / "splits.json") is None
    save_splits({**splits, "test": [case(tmp_path, "again", 10)]}, tmp_path / "splits.json")
    assert "train (train) and again (test)" in copies_across(tmp_path / "splits.json")
