import pytest

from lungseg.comparison.configurations import arms
from tests.comparison.runs import entries_of, make_run, people, scores_of, spoil


@pytest.fixture
def make(tmp_path):
    cases = people(3)

    def make(name, **settings):
        return make_run(tmp_path / name, cases, scores_of(3), quick=True, pictures=False, **settings)

    return make


def named(*runs, tuned=False):
    return {arm.name: arm.columns for arm in arms(entries_of(*runs, tuned=tuned))}


def test_runs_that_differ_by_their_seed_alone_are_one_arm_by_seed(make):
    runs = [make("b", seed=1), make("other", model__width=16), make("a", seed=0), make("c", seed=2, data__workers=8)]
    assert named(*runs) == {"width=8": [2, 0, 3], "width=16": [1]}


def test_two_runs_of_one_seed_are_arms_of_their_own_named_by_their_folders(make, tmp_path):
    runs = [make("x/run"), make("y/run"), make("y/other", seed=1)]
    assert named(*runs) == {"unet (x/run)": [0], "unet (y/run)": [1], "unet (y/other)": [2]}


def test_names_tell_model_transfer_and_settings(make):
    runs = [
        make("a"),
        make("b", pretrained=True),
        make("c", pretrained=True, freeze_encoder=True),
        make("d", model__name="fpn"),
        make("e", model__name="fpn", loss___target_="lungseg.tasks.losses.segmentation.Tversky", loss__alpha=0.3),
        make("f", model__name="fpn", optim__lr=0.1),
    ]
    assert list(named(*runs)) == [
        *("unet scratch", "unet finetuned", "unet frozen", "fpn scratch"),
        *("fpn scratch, Tversky", "fpn scratch, optim.lr=0.1"),
    ]


def test_a_label_is_the_name_and_may_hold_anything(make):
    label = "<img src=x onerror=alert(1)>\n\"'`$\\"
    runs = [make("a", label="mine"), make("b", label="mine", seed=1), make("c", label=label)]
    assert named(*runs) == {"mine": [0, 1], " ".join(label.split()): [2]}


def test_two_arms_never_have_one_name(make, tmp_path):
    runs = [make("x/a", label="same"), make("y/a", label="same", model__width=9)]
    assert len(named(*runs)) == 2
    twice = make("z")
    again = twice / "evaluation" / "again"
    again.mkdir()
    for name in ("cases.csv", "summary.json"):
        (again / name).write_bytes((twice / "evaluation" / "phantom-test" / name).read_bytes())
    assert list(named(twice, again)) == ["unet (phantom-test)", "unet (again)"]


def test_how_it_was_judged_parts_and_names_arms(make):
    one, two, three, four = (make(name) for name in "abcd")
    for run, how in ((two, {"tta": "flips"}), (three, {"threshold": 0.3}), (four, {"members": 5})):
        spoil(run / "evaluation" / "phantom-test" / "summary.json", lambda summary, how=how: summary.update(how))
    assert list(named(one, two, three, four)) == [
        "unet", "tta flips", "threshold 0.3", "ensemble of 5",
    ]  # fmt: skip
