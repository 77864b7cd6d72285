import nibabel
import numpy as np
import pytest

from lungseg.core.config.command_line import train_config
from lungseg.core.errors import UserError
from lungseg.data.io.image import read_mask
from lungseg.data.sources import covid19_ct
from lungseg.data.sources.issues import Problem
from lungseg.training.train import train

NAMES = {
    "coronacases_org_001": "coronacases_001",
    "coronacases_org_010": "coronacases_010",
    "radiopaedia_org_covid-19-pneumonia-4_85506_1-dcm": "radiopaedia_4_85506_1",
    "radiopaedia_org_covid-19-pneumonia-29_86490_1-dcm": "radiopaedia_29_86490_1",
}


@pytest.fixture
def root(tmp_path):
    rows = []
    for scan, mask in NAMES.items():
        voxels = np.random.default_rng(0).integers(-1000, 400, (16, 12, 5), dtype=np.int16)
        lungs = np.zeros((16, 12, 5), np.uint8)
        lungs[2:6], lungs[9:14] = 1, 2
        files = {"ct_scans": (scan, voxels), "lung_mask": (mask, lungs), "infection_mask": (mask, lungs == 1)}
        files["lung_and_infection_mask"] = (mask, lungs)
        for folder, (name, array) in files.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            image = nibabel.Nifti1Image(np.asarray(array, np.int16), np.eye(4))
            nibabel.save(image, tmp_path / folder / f"{name}.nii")
        rows.append([f"../input/{folder}/{name}.nii" for folder, (name, _) in files.items()])
    rows[2][1], rows[3][1] = rows[3][1], rows[2][1]  # shifted, as two rows of the published table are
    text = "ct_scan,lung_mask,infection_mask,lung_and_infection_mask\n" + "\n".join(map(",".join, rows)) + "\n"
    (tmp_path / "metadata.csv").write_text(text)
    return tmp_path


def test_pairs_are_made_by_the_cases_own_names(root):
    problems: list[Problem] = []
    cases = covid19_ct.cases(root=str(root), problems=problems)
    assert sorted(case.id for case in cases) == sorted(NAMES.values())
    for case in cases:
        assert case.masks["lung"].paths[0].name == case.masks["infection"].paths[0].name == f"{case.id}.nii"
    shifted = [str(problem) for problem in problems if problem.kind == "shifted row"]
    assert len(shifted) == 2
    assert "metadata.csv: line 4 puts radiopaedia_29_86490_1 and radiopaedia_4_85506_1 together" in shifted[0]
    assert [problem.kind for problem in problems if problem.harm] == []


def test_a_scan_or_mask_alone_is_told(root):
    (root / "ct_scans" / "coronacases_org_010.nii").unlink()
    with pytest.raises(UserError, match=r"coronacases_010\.nii: no image of that name"):
        covid19_ct.cases(root=str(root))
    with pytest.raises(UserError, match="holds no ct_scans folder"):
        covid19_ct.cases(root=str(root / "ct_scans"))


def test_training_on_volumes_as_pictures_is_refused_in_one_line(root, tmp_path):
    words = ["data=covid19_ct", f"data.root={root}", f"run_dir={tmp_path / 'run'}", "logger=none"]
    with pytest.raises(
        UserError, match=r"a volume of 16x12x5 voxels where one image was expected; .* data\.view="
    ) as caught:
        train(train_config([*words, "data.view=null", "data.neighbours=0"]))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_the_real_tree(realdata):
    cases = covid19_ct.cases(root=str(realdata / "covid19_ct"))
    assert len(cases) == 4
    assert all(set(case.masks) == {"lung", "left_lung", "right_lung", "infection"} for case in cases)
    with pytest.raises(UserError, match="a volume of"):
        read_mask(cases[0].masks["lung"], cases[0].image, (8, 8))
