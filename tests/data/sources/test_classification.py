import numpy as np
import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.data.sources import classification
from lungseg.training.train import train
from tests.helpers import write_png


@pytest.fixture
def root(tmp_path):
    for split, number in (("train", 5), ("test", 2)):
        for label in ("Covid", "Viral Pneumonia"):
            for n in range(number):
                write_png(tmp_path / "set" / split / label / f"{n:02d}.png", np.full((8, 8), n, np.uint8))
    return tmp_path


def test_splits_and_classes_are_the_folders(root):
    cases = classification.cases(root=str(root))
    assert cases == classification.cases(root=str(root / "set"))
    assert len({case.id for case in cases}) == 14
    assert {(case.split, case.label) for case in cases} == {
        (split, label) for split in ("train", "test") for label in ("Covid", "Viral Pneumonia")
    }


def test_a_segmentation_task_says_what_is_missing(root):
    with pytest.raises(UserError, match=r"00\.png\) has no lung mask, which .* needs; 14 of 14 cases"):
        train(train_config(["data=covid19_image_classification", f"data.root={root}", "logger=none"]))
    with pytest.raises(UserError, match="holds none of train/, val/, test/"):
        classification.cases(root=str(root / "set" / "train"))


def test_the_real_tree(realdata):
    cases = classification.cases(root=str(realdata / "covid19_image_classification"))
    assert len(cases) == 317
    assert {case.label for case in cases} == {"Covid", "Normal", "Viral Pneumonia"}
