import pytest

from lungseg.core.config.compose import compose, plain
from lungseg.core.errors import UserError
from lungseg.tasks.regions import Regions, regions_of


def test_what_a_region_is_comes_from_the_config_of_its_task():
    both = regions_of(plain(compose(["task=lung_infection"]))["task"])
    assert (both.organs, both.hosts, both.organ) == (["lung"], ["lung"], "lung")
    alone = regions_of(plain(compose(["task=infection"]))["task"])
    assert (alone.organs, alone.hosts, alone.organ) == ([], ["lung"], "lung")
    assert alone.index("lung") is None
    assert regions_of(plain(compose(["task=lung"]))["task"]).lesions == {}


def test_a_lesion_that_is_no_region_or_its_own_organ_is_refused():
    with pytest.raises(UserError, match=r"task.lesions=\{tumour:liver\}: expected some of task.regions=\[liver\]"):
        Regions(("liver",), {"tumour": "liver"})
    with pytest.raises(UserError, match=r"task.lesions=\{liver:liver\}"):
        Regions(("liver",), {"liver": "liver"})


def test_lesions_of_ones_own_can_be_typed():
    words = ["task=lung", "task.regions=[liver,tumour]", "task.lesions={tumour:liver}"]
    own = regions_of(plain(compose(words))["task"])
    assert (own.names, own.lesions) == (("liver", "tumour"), {"tumour": "liver"})
