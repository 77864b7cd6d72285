import csv

import nibabel
import numpy as np
import pytest
from PIL import Image

from lungseg.data.audit.inspect import inspect
from lungseg.data.sources import covid19_ct, folder
from tests.helpers import run_program, write_png


def lungseg(*words, cwd):
    """The console script, as a user starts it."""
    return run_program("-m", "lungseg.cli.main", *words, cwd=cwd)


def rows(path):
    return list(csv.DictReader(path.open()))


def test_a_sound_data_set_is_told_so_with_its_table_and_pictures(folder_data, tmp_path):
    result = lungseg("data", "check", "folder", f"root={folder_data}", "out=out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "12 cases of 12 patients" in result.stdout
    header = next(line for line in result.stdout.splitlines() if line.startswith("split"))
    assert header.split() == ["split", "class", "cases", "size", "kind", "lung", "(empty)", "infection", "(empty)"]
    covid = next(line for line in result.stdout.splitlines() if line.startswith("-      COVID-19"))
    assert covid.split()[2:6] == ["8", "96x80", "png", "L"]
    assert "nothing here would harm a training" in result.stdout
    found = rows(tmp_path / "out" / "cases.csv")
    cases = folder.cases(root=str(folder_data))
    assert [row["id"] for row in found] == [case.id for case in cases]
    lung = np.asarray(Image.open(cases[3].masks["lung"])) > 0
    assert float(found[3]["lung_share"]) == pytest.approx(lung.mean(), abs=1e-6)
    for label in ("COVID-19", "Normal"):
        with Image.open(tmp_path / "out" / f"sheet-{label}.png") as sheet:
            assert min(sheet.size) > 100
    for line in result.stdout.splitlines():
        if line.startswith(("sheet  ", "cases  ", "problems  ")):
            assert (tmp_path / line.split(maxsplit=1)[1]).is_file()


def _unreadable(root):
    (root / "images" / "p01.png").write_bytes(b"no picture")


def _size(root):
    write_png(root / "lung_masks" / "p01.png", np.full((80, 97), 255, np.uint8))


def _values(root):
    write_png(root / "lung_masks" / "p01.png", np.arange(80 * 96).reshape(80, 96).astype(np.uint8))


def _empty(root):
    write_png(root / "lung_masks" / "p01.png", np.zeros((80, 96), np.uint8))


def _bare(root):
    (root / "lung_masks" / "p01.png").unlink()


def _stray(root):
    write_png(root / "infection_masks" / "other.png", np.zeros((80, 96), np.uint8))


def _blank(root):
    write_png(root / "images" / "p01.png", np.full((80, 96), 7, np.uint8))


def _both_sides(root):
    lines = [f"p{n:02d}.png,{n // 2},x,{'train' if n % 2 else 'test'}" for n in range(12)]
    (root / "metadata.csv").write_text("file,patient,class,split\n" + "\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("spoil", "kind", "path"),
    [
        (_unreadable, "unreadable", "images/p01.png"),
        (_size, "mask size", "lung_masks/p01.png"),
        (_values, "mask values", "lung_masks/p01.png"),
        (_empty, "empty lung mask", "images/p01.png"),
        (_bare, "image without mask", "images/p01.png"),
        (_stray, "mask without image", "infection_masks/other.png"),
        (_blank, "blank image", "images/p01.png"),
        (_both_sides, "split", "images"),
    ],
)
def test_what_would_harm_a_training_is_named_and_exits_with_1(folder_data, tmp_path, spoil, kind, path):
    spoil(folder_data)
    result = lungseg("data", "check", "folder", f"root={folder_data}", "out=out", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    (found,) = [row for row in rows(tmp_path / "out" / "problems.csv") if row["harm"] == "True"]
    assert found["kind"] == kind
    assert found["path"] == str(folder_data / path)
    assert f"{kind}: 1" in result.stdout
    assert "1 problem would harm a training" in result.stdout


def test_an_empty_infection_is_told_of_covid_and_not_of_non_covid(folder_data, tmp_path):
    text = (folder_data / "metadata.csv").read_text()
    (folder_data / "metadata.csv").write_text(text.replace("Normal", "Non-COVID"))
    result = lungseg("data", "check", "folder", f"root={folder_data}", "out=out", cwd=tmp_path)
    assert "empty infection" not in result.stdout


def test_what_is_only_odd_is_told_and_does_no_harm(folder_data, tmp_path):
    infection = np.zeros((80, 96), np.uint8)
    write_png(folder_data / "infection_masks" / "p00.png", infection)
    infection[:6, :6] = 255
    write_png(folder_data / "infection_masks" / "p01.png", infection)
    result = lungseg("data", "check", "folder", f"root={folder_data}", "out=out", cwd=tmp_path)
    assert result.returncode == 0
    assert "empty infection (does no harm): 1" in result.stdout
    assert "infection outside lungs (does no harm): 1" in result.stdout
    assert "100% of the infection lies outside the lungs" in result.stdout


def test_all_is_told_where_training_stops_at_the_first(folder_data, tmp_path):
    for spoil in (_stray, _blank, _values):
        spoil(folder_data)
    (folder_data / "images" / "p05.png").write_bytes(b"")
    lungseg("data", "check", "folder", f"root={folder_data}", "out=out", cwd=tmp_path)
    kinds = {row["kind"] for row in rows(tmp_path / "out" / "problems.csv")}
    assert kinds == {"mask without image", "blank image", "mask values", "unreadable"}


def write_scan(root, *, labels=(1, 2), infection=slice(4, 9), depth=6):
    """A volume of two lungs, infected where ``infection`` says, whose infection mask has ``depth`` planes."""

    def save(name, array):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([-0.7, 0.7, 5, 1])), path)

    lungs, infected = np.zeros((2, 20, 16, 6), np.uint8)
    lungs[4:9], lungs[11:16] = labels
    infected[infection] = 1
    save("ct_scans/coronacases_org_001.nii.gz", np.arange(20 * 16 * 6).reshape(20, 16, 6).astype(np.int16))
    save("lung_mask/coronacases_001.nii.gz", lungs)
    save("infection_mask/coronacases_001.nii.gz", infected[:, :, :depth])
    (case,) = covid19_ct.cases(root=str(root))
    return case, lungs


def test_volumes_are_compared_with_their_masks(tmp_path):
    case, lungs = write_scan(tmp_path, depth=5)
    found = inspect(case)
    assert found.coverage["lung"] == pytest.approx((lungs > 0).mean())
    assert found.kind == "volume, 0.7x0.7x5 mm"
    (problem,) = found.problems
    assert str(problem).endswith("the mask is 20x16x5 voxels, its scan coronacases_org_001.nii.gz 20x16x6")


def test_labels_on_the_wrong_side_are_told(tmp_path):
    case, lungs = write_scan(tmp_path)
    assert not inspect(case).problems
    nibabel.save(nibabel.Nifti1Image((3 * (lungs > 0) - lungs).astype(np.uint8), np.diag([-0.7, 0.7, 5, 1])),
                 tmp_path / "lung_mask" / "coronacases_001.nii.gz")  # fmt: skip
    (problem,) = inspect(case).problems
    assert problem.kind == "mask sides"
    assert not problem.harm
    assert "label 1 is documented as the right lung and 2 as the left" in str(problem)


def test_volumes_are_read_wholly(tmp_path):
    case, _ = write_scan(tmp_path, labels=(1, 9))
    assert [problem.kind for problem in inspect(case).problems] == ["mask values"]
    case, _ = write_scan(tmp_path, infection=slice(9, 11))
    assert [problem.kind for problem in inspect(case).problems] == ["infection outside lungs"]
    scan = case.image
    scan.write_bytes(scan.read_bytes()[:-2000])
    (problem,) = [problem for problem in inspect(case).problems if problem.kind == "unreadable"]
    assert problem.path == scan


def test_splits_are_files_that_training_takes(folder_data, tmp_path):
    words = ["data", "split", "folder", f"root={folder_data}", "folds=3", "out=parts"]
    result = lungseg(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    files = sorted((tmp_path / "parts").iterdir())
    assert [path.name for path in files] == ["fold-0.json", "fold-1.json", "fold-2.json"]
    before = [path.read_bytes() for path in files]
    assert lungseg(*words, cwd=tmp_path).returncode == 0
    assert [path.read_bytes() for path in files] == before
    assert lungseg(*words, "split_seed=1", cwd=tmp_path).returncode == 0
    assert [path.read_bytes() for path in files] != before
    command = result.stdout.splitlines()[-1]
    assert command == f"train on one: python train.py data=folder data.root={folder_data} data.splits=parts/fold-0.json"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "check", "foldr"], "error: foldr: no such data set"),
        (["data", "check", "folder"], "error: data.root: a value is needed; add data.root=..."),
        (["data", "check", "folder", "root=nowhere"], "error: data.root=nowhere: no such folder"),
        (
            ["data", "check", "folder", "roott=nowhere"],
            "error: data.roott: no such key or group; did you mean data.root?",
        ),
        (["data", "check", "folder", "root"], "error: root: expected KEY=VALUE"),
        (["data", "split", "phantom", "count=12", "folds=50", "out=x"], "error: data.folds=50: expected a number"),
        (["data", "chek", "folder"], "invalid choice: 'chek'"),
    ],
)
def test_a_command_that_cannot_be_is_one_line(tmp_path, words, message):
    result = lungseg(*words, cwd=tmp_path)
    assert result.returncode in (1, 2)
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("name", "root"),
    [("folder", "cxr_infection"), ("covid19_ct", "covid19_ct"), ("covid19_radiography", "covid19_radiography")],
)
def test_the_real_sets_are_sound(realdata, tmp_path, name, root):
    result = lungseg("data", "check", name, f"root={realdata / root}", "out=out", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert rows(tmp_path / "out" / "cases.csv")


def test_attributes_are_counted_and_columns_that_are_none_told(folder_data, tmp_path):
    table = [f"p{n:02d}.png,P{n // 2},{'FM'[n % 2]},{40 + 8 * n},Jane Doe" for n in range(12)]
    table[0] = "p00.png,P0,n/a,40,Jane Doe"
    (folder_data / "metadata.csv").write_text("file,patient,sex,age,name\n" + "\n".join(table) + "\n")
    result = lungseg("data", "check", "folder", f"root={folder_data}", "out=out", cwd=tmp_path)
    assert "sex: F 5, M 6, unknown 1" in result.stdout
    assert "age: " not in result.stdout  # of which some are above 120
    assert "its column 'name' may say who a patient is" in result.stdout
    assert "Jane" not in result.stdout + "".join(path.read_text() for path in (tmp_path / "out").glob("*.csv"))
    assert [row["attribute_sex"] for row in rows(tmp_path / "out" / "cases.csv")][:3] == ["", "M", "F"]
