from collections import Counter

import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.data.build import build_cases, build_splits

HOSPITALS = ["data.domains={north:easy,south:hard}", "data.count=90", "data.pixels=32"]


def splits_of(*words):
    data = train_config([*HOSPITALS, *words]).data
    return build_splits(build_cases(data.source), data)


def test_only_these_hospitals_are_trained_on_and_the_test_is_the_same_for_all():
    whole = splits_of()
    for wanted, named in (("north", {"north"}), ("[south]", {"south"}), ("[north,south]", {"north", "south"})):
        splits = splits_of(f"data.train_domains={wanted}")
        assert splits["test"] == whole["test"]
        for name in ("train", "val"):
            assert splits[name] == [case for case in whole[name] if case.domain in named]
    assert min(Counter(case.domain for case in whole["test"]).values()) >= 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["data.train_domains=[nort]"],
            r"train_domains=\[nort\]: expected some of .* north, south; did you mean north",
        ),
        (["data.train_domains=[]"], r"data\.train_domains=\[\]: expected a hospital, several as \[a,b\] or null"),
        (["data.train_domains=[north]", "data.domains=null"], "phantom names no hospitals; leave it out"),
        (
            ["data.train_domains=[south]", "data.count=13"],
            r"no val case is of these \(north 3, south 0\); name others",
        ),
    ],
)
def test_hospitals_that_cannot_be_trained_on_are_refused(words, message):
    with pytest.raises(UserError, match=message) as refused:
        splits_of(*words)
    assert "\n" not in str(refused.value)
