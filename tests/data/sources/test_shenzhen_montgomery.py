import shutil

import numpy as np
import pytest

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.core.errors import UserError
from lungseg.data.io.image import read_case
from lungseg.data.sources import shenzhen_montgomery
from lungseg.data.sources.issues import Problem
from lungseg.evaluation.evaluate import evaluate
from lungseg.training.train import train
from tests.helpers import write_png


@pytest.fixture
def root(tmp_path):
    """Ten of each hospital, blended mask edges in Shenzhen, one image without a mask."""
    for n in range(10):
        for prefix, side, ending in (("CHNCXR", 64, "_mask"), ("MCUCXR", 96, "")):
            stem = f"{prefix}_{n:04d}_{n % 2}"
            image, mask = np.full((side, side), 30, np.uint8), np.zeros((side, side), np.uint8)
            image[10:50, 8:28], image[10:50, 36:56] = 200, 200
            mask[10:50, 8:28], mask[10:50, 36:56] = 255, 255
            if ending:
                mask[9, 8:28], mask[50, 8:28] = 100, 140
            write_png(tmp_path / "CXR_png" / f"{stem}.png", image)
            write_png(tmp_path / "masks" / f"{stem}{ending}.png", mask)
    (tmp_path / "masks" / "CHNCXR_0003_1_mask.png").unlink()
    return tmp_path


def test_names_blended_edges_and_images_without_a_mask(root):
    problems: list[Problem] = []
    cases = shenzhen_montgomery.cases(root=str(root), problems=problems)
    assert len(cases) == 19
    assert [problem.kind for problem in problems] == ["image without mask"]
    assert {case.domain for case in cases} == {"shenzhen", "montgomery"}
    assert {case.label for case in cases} == {"Normal", "Tuberculosis"}
    assert all(case.label == ("Tuberculosis" if case.id.endswith("1") else "Normal") for case in cases)
    _, (mask,) = read_case(cases[0], ["lung"])
    assert mask[50, 10]
    assert not mask[9, 10]
    assert mask.sum() == 2 * 20 * 40 + 20


def test_left_and_right_lungs_of_the_original_are_merged(root, tmp_path_factory):
    original = tmp_path_factory.mktemp("original") / "MontgomerySet"
    for path in sorted((root / "masks").glob("MCUCXR*")):
        _, (mask,) = read_case(
            next(c for c in shenzhen_montgomery.cases(root=str(root)) if c.id == path.stem), ["lung"]
        )
        left, right = mask.copy(), mask.copy()
        left[:, 32:], right[:, :32] = False, False
        write_png(original / "ManualMask" / "leftMask" / path.name, left.astype(np.uint8) * 255)
        write_png(original / "ManualMask" / "rightMask" / path.name, right.astype(np.uint8) * 255)
        (original / "CXR_png").mkdir(exist_ok=True)
        shutil.copy(root / "CXR_png" / path.name, original / "CXR_png")
    both = shenzhen_montgomery.cases(root=str(root), domains=["montgomery"])
    merged = shenzhen_montgomery.cases(root=str(original.parent), domains=["montgomery"])
    assert [case.id for case in merged] == [case.id for case in both]
    for one, other in zip(merged, both, strict=True):
        assert np.array_equal(read_case(one, ["lung"])[1], read_case(other, ["lung"])[1])
    lone = original / "ManualMask" / "rightMask" / f"{merged[0].id}.png"
    lone.unlink()
    with pytest.raises(UserError, match="the other lung's mask is missing"):
        shenzhen_montgomery.cases(root=str(original))


def test_train_on_one_hospital_and_judge_on_the_other(root, tmp_path):
    words = ["data=shenzhen_montgomery", f"data.root={root}", "data.size=32", "model=unet_classic", "model.width=4"]
    words += ["model.depth=2", "data.workers=0", "trainer.max_epochs=1", "trainer=cpu", "logger=none"]
    run = train(train_config([*words, "data.domains=[shenzhen]", f"run_dir={tmp_path / 'run'}"]))
    assert sum(run.manifest()["cases"].values()) == 9
    other = ["data=shenzhen_montgomery", f"data.root={root}", "data.domains=[montgomery]"]
    found = evaluate(evaluate_config([f"run={run.path}", *other]))
    assert len(found.rows) == 10
    assert all(row["id"].startswith("MCUCXR") for row in found.rows)


def test_what_cannot_be_is_said(root):
    with pytest.raises(UserError, match=r"data\.domains=\['wuhan'\]: expected some of shenzhen, montgomery"):
        shenzhen_montgomery.cases(root=str(root), domains=["wuhan"])
    with pytest.raises(UserError, match="holds no CXR_png folder"):
        shenzhen_montgomery.cases(root=str(root / "masks"))


def test_the_real_tree(realdata):
    cases = shenzhen_montgomery.cases(root=str(realdata / "shenzhen_montgomery"))
    assert len(cases) == 704
    assert sum(case.domain == "montgomery" for case in cases) == 138
    for case in cases[::20]:
        image, (mask,) = read_case(case, ["lung"])
        assert 0.05 < mask.mean() < 0.6
        assert image.shape == mask.shape


def test_sex_and_age_come_from_the_readings(root):
    (root / "ClinicalReadings").mkdir()
    (root / "ClinicalReadings" / "CHNCXR_0001_1.txt").write_text("male 45yrs\nPTB of Mr. Smith\n")
    by_id = {case.id: case for case in shenzhen_montgomery.cases(root=str(root))}
    assert by_id["CHNCXR_0001_1"].attributes == (("sex", "M"), ("age", "45"))
    assert by_id["MCUCXR_0001_1"].attributes == ()
