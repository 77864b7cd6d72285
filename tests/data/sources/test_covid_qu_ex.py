import numpy as np
import pytest

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UserError
from lungseg.data.io.image import read_case
from lungseg.data.sources import covid_qu_ex
from lungseg.data.sources.issues import Problem
from lungseg.evaluation.evaluate import evaluate
from lungseg.training.train import train
from tests.helpers import write_png

NUMBERS = {"Train": 12, "Val": 6, "Test": 6}


@pytest.fixture
def root(tmp_path):
    """The published layout, in small; infections only in COVID-19; the stray folder."""
    generator = np.random.default_rng(0)
    for part, name in covid_qu_ex.PARTS.items():
        for split, number in NUMBERS.items():
            for label in covid_qu_ex.CLASSES:
                here = tmp_path / name / name / split / label
                for n in range(number):
                    file = f"{label} ({n}).png"
                    image = generator.integers(0, 60, (32, 32)).astype(np.uint8)
                    lung = np.zeros((32, 32), np.uint8)
                    lung[6:26, 4 : 20 + n] = 255
                    spot = np.zeros_like(lung)
                    spot[12 : 16 + n % 4, 8:14] = 255 * (label == "COVID-19")
                    write_png(here / "images" / file, np.maximum(image, np.maximum(lung // 2, spot)))
                    write_png(here / "lung masks" / file, lung)
                    if part == "infection":
                        write_png(here / "infection masks" / file, spot)
    write_png(
        tmp_path / covid_qu_ex.PARTS["lung"] / covid_qu_ex.PARTS["lung"] / "Train/Normal/PennFudanPed/a.png", lung
    )
    return tmp_path


def test_each_part_has_its_masks_and_the_publishers_splits(root):
    lung = covid_qu_ex.cases(root=str(root))
    infection = covid_qu_ex.cases(root=str(root), regions=["lung", "infection"])
    assert len(lung) == len(infection) == 3 * sum(NUMBERS.values())
    assert {tuple(case.masks) for case in lung} == {("lung",)}
    assert {tuple(case.masks) for case in infection} == {("lung", "infection")}
    assert {case.split for case in lung} == {"train", "val", "test"}
    assert len({case.id for case in lung}) == len(lung)  # the same name in two splits is two images
    for case in infection[::7]:
        _, masks = read_case(case, ["lung", "infection"])
        assert masks[0].any()
        assert masks[1].any() == (case.label == "COVID-19")
        assert case.masks["lung"].name == case.image.name


def test_the_root_may_be_any_of_the_folders_that_a_user_would_give(root, tmp_path_factory):
    lung, infection = (root / covid_qu_ex.PARTS[part] for part in ("lung", "infection"))
    ids = [case.id for case in covid_qu_ex.cases(root=str(root))]
    for folder in (root, lung, lung / lung.name):
        assert [case.id for case in covid_qu_ex.cases(root=str(folder))] == ids
    for folder in (infection, infection / infection.name):
        assert covid_qu_ex.cases(root=str(folder), regions=["infection"])
    above = tmp_path_factory.mktemp("above")
    (above / "archive").symlink_to(root)
    assert [case.id for case in covid_qu_ex.cases(root=str(above))] == ids
    with pytest.raises(UserError, match="holds no 'Infection Segmentation Data'"):
        covid_qu_ex.cases(root=str(lung), regions=["infection"])
    with pytest.raises(UserError, match=r"data\.part=both: expected auto"):
        covid_qu_ex.cases(root=str(root), part="both")


def test_the_study_draws_from_all_classes_and_never_by_list_order(root):
    drawn = covid_qu_ex.cases(root=str(root), subset=30)
    sides = {split: [case for case in drawn if case.split == split] for split in ("train", "val", "test")}
    assert [len(side) for side in sides.values()] == [24, 6, 18]
    assert {case.label for case in sides["train"]} == set(covid_qu_ex.CLASSES)
    pool = [case.id for case in covid_qu_ex.cases(root=str(root)) if case.split != "test"]
    assert [case.id for case in drawn if case.split != "test"] != pool[:30]
    assert {case.id.split("-")[0] for case in sides["train"]} == {"train", "val"}
    assert drawn == covid_qu_ex.cases(root=str(root), subset=30)
    with pytest.raises(UserError, match=r"data\.subset=5000: expected a number from 10 to 54"):
        covid_qu_ex.cases(root=str(root), subset=5000)


def test_what_is_missing_extra_or_stray_is_told(root):
    home = root / covid_qu_ex.PARTS["lung"] / covid_qu_ex.PARTS["lung"]
    problems: list[Problem] = []
    covid_qu_ex.cases(root=str(root), problems=problems)
    assert {problem.kind for problem in problems} == {"count", "stray folder", "patients not known"}
    assert any("Train/COVID-19: holds 12 images; 7658 were published: 7646 missing" in str(p) for p in problems)
    (home / "Test" / "Normal" / "images" / "Normal (3).png").unlink()
    with pytest.raises(UserError, match=r"lung masks/Normal \(3\)\.png: no image of that name"):
        covid_qu_ex.cases(root=str(root))


def test_both_tasks_train_and_a_run_is_judged_on_another_root(root, tmp_path):
    words = ["data=covid_qu_ex", f"data.root={root}", "data.size=32", "model=unet_classic", "model.width=4"]
    words += ["model.depth=2", "data.workers=0", "trainer.max_epochs=1", "trainer=cpu", "logger=none"]
    for task in ("lung", "infection"):
        run = train(train_config([*words, f"task={task}", f"run_dir={tmp_path / 'runs' / task}"]))
        assert run.manifest()["cases"] == {"train": 36, "val": 18, "test": 18}
    options = [f"run={run.path}", "data=covid_qu_ex", f"data.root={root}", "data.subset=20"]
    assert evaluate(evaluate_config(options)).summary["cases"] == 18  # of the pool none was not trained on


@pytest.mark.parametrize("regions", [["lung"], ["infection"]])
def test_the_real_tree(realdata, regions):
    cases = covid_qu_ex.cases(root=str(realdata / "covid_qu_ex"), regions=regions)
    assert len(cases) > 100
    for case in cases:
        image, masks = read_case(case, regions)
        assert image.shape == (256, 256)
        assert not masks.any() or case.label == "COVID-19" or regions == ["lung"]
