import csv
import json
import os

import cv2
import nibabel
import numpy as np
import pytest
from PIL import Image

from lungseg.core.config.command_line import evaluate_config, train_config
from lungseg.data.audit.split_leakage import across, find_pairs, without_leaks
from lungseg.data.sources import folder, phantom
from lungseg.data.splits import split_cases
from lungseg.evaluation.evaluate import evaluate
from lungseg.training.train import train
from tests.data.audit.test_inspect import lungseg
from tests.helpers import write_png


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Forty phantoms; a test image stands in train again, brighter, and a val image smaller, as JPEG."""
    root = tmp_path_factory.mktemp("leaky") / "xrays"
    rows = ["file,patient,class,split"]

    def add(name, image, mask, split):
        write_png(root / "lung_masks" / f"{name}.png", mask)
        write_png(root / "images" / f"{name}.png", image)
        rows.append(f"{name}.png,{name},x,{split}")

    cases = phantom.cases(count=40, pixels=128)
    for n, case in enumerate(cases):
        split = "test" if n < 8 else "val" if n < 16 else "train"
        add(case.id, case.image.read(), case.masks["lung"].read(), split)
    image, mask = cases[2].image.read(), cases[2].masks["lung"].read()
    add("brighter", np.clip(image * 0.8 + 40, 0, 255).astype(np.uint8), mask, "train")
    image = cv2.resize(cases[10].image.read(), (100, 100), interpolation=cv2.INTER_AREA)
    add(
        "smaller",
        image,
        cv2.resize(cases[10].masks["lung"].read(), (100, 100), interpolation=cv2.INTER_NEAREST),
        "train",
    )
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")
    return root


def test_planted_copies_are_found_and_no_other_pair(root):
    cases = folder.cases(root=str(root))
    pairs = find_pairs(cases, show=False)
    found = {frozenset((pair.first.id, pair.second.id)) for pair in pairs}
    assert found == {frozenset(("brighter", cases_id(2))), frozenset(("smaller", cases_id(10)))}
    assert [(pair.first, pair.second) for pair in find_pairs(cases, show=False)] == [(p.first, p.second) for p in pairs]


def cases_id(n):
    return phantom.cases(count=40, pixels=128)[n].id


def test_training_leaves_out_the_twins_of_later_sides(root):
    cases = folder.cases(root=str(root))
    splits = split_cases(cases, val=0.2, test=0.2, seed=0)
    pairs = find_pairs(cases, show=False)
    assert sorted((one, other) for _, one, other in across(pairs, splits)) in (
        [("test", "train"), ("val", "train")],
        [("train", "test"), ("train", "val")],
        [("test", "train"), ("train", "val")],
        [("train", "test"), ("val", "train")],
    )
    left = without_leaks(splits, pairs)
    assert {case.id for case in splits["train"]} - {case.id for case in left["train"]} == {"brighter", "smaller"}
    assert (left["val"], left["test"]) == (splits["val"], splits["test"])
    assert across(pairs, left) == []


def test_a_run_with_drop_leaks_is_not_trained_on_them(root, tmp_path, capsys):
    words = ["data=folder", f"data.root={root}", "data.drop_leaks=true", "data.size=32", "model=unet_classic"]
    words += ["model.width=4", "model.depth=2", "data.workers=0", "trainer.max_epochs=1", "trainer=cpu", "logger=none"]
    run = train(train_config([*words, f"run_dir={tmp_path / 'run'}"]))
    assert "2 of 26 train images have a twin on a later side and are left out" in capsys.readouterr().out
    assert not {"brighter", "smaller"} & set(json.loads(run.splits_file.read_text())["train"])
    table = (run.path / "evaluation" / "folder-test" / "cases.csv").read_text()
    found = evaluate(evaluate_config([f"run={run.path}"]))
    assert found.directory.name == "folder-test"
    assert (found.directory / "cases.csv").read_text() == table


def test_a_changed_file_is_looked_at_again(tmp_path):
    for n, case in enumerate(phantom.cases(count=12, pixels=64)):
        write_png(tmp_path / "images" / f"{n:02d}.png", case.image.read())
    assert find_pairs(folder.cases(root=str(tmp_path)), show=False) == []
    first, last = tmp_path / "images" / "00.png", tmp_path / "images" / "11.png"
    before = last.stat()
    content = first.read_bytes()
    last.write_bytes(content + bytes(max(before.st_size - len(content), 0)))
    os.utime(last, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert len(find_pairs(folder.cases(root=str(tmp_path)), show=False)) == 1


def test_the_audit_lists_pairs_with_a_picture_of_each(root, tmp_path):
    result = lungseg("data", "audit", "folder", f"root={root}", "out=out", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert "2 of the pairs stand across the split" in result.stdout
    assert "data.drop_leaks=true leaves them out of training" in result.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "twins.csv").open()))
    assert len(rows) == 2
    assert {row["kind"] for row in rows} == {"near"}
    for row in rows:
        assert {row["first_split"], row["second_split"]} in ({"test", "train"}, {"val", "train"})
        with Image.open(tmp_path / "out" / "twins" / f"{int(row['pair']):04d}.png") as picture:
            assert picture.size[0] > 600


def test_sound_data_has_no_leak(tmp_path):
    result = lungseg("data", "audit", "phantom", "count=40", "pixels=128", "out=out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "0 of the pairs stand across the split" in result.stdout


def test_the_published_split_of_the_real_classification_set_leaks(realdata, tmp_path):
    root = realdata / "covid19_image_classification"
    result = lungseg("data", "audit", "covid19_image_classification", f"root={root}", "out=out", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "twins.csv").open()))
    sides = [{"/train/" in row[name] for name in ("first", "second")} for row in rows]
    assert sum(len(side) == 2 for side in sides) >= 8


def write_set(root, rows, change=lambda n, image: image):
    for n, case in enumerate(phantom.cases(count=len(rows), pixels=64)):
        write_png(root / "images" / f"{n:02d}.png", change(n, case.image.read()))
        write_png(root / "lung_masks" / f"{n:02d}.png", case.masks["lung"].read())
    lines = [f"{n:02d}.png,{patient},{label},{split}" for n, (patient, label, split) in enumerate(rows)]
    (root / "metadata.csv").write_text("file,patient,class,split\n" + "\n".join(lines) + "\n")


def test_a_patient_on_two_sides_is_listed_where_training_would_stop(tmp_path):
    rows = [(f"p{n // 2}", "x", "train" if n % 2 or n > 5 else "test") for n in range(12)]
    write_set(tmp_path / "xrays", rows)
    result = lungseg("data", "audit", "folder", "root=xrays", "out=out", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert "patients on two sides of the split: 3, first p0, p1, p2" in result.stdout


def test_a_class_that_is_told_by_its_frame_is_named(tmp_path):
    rows = [(f"p{n}", "ab"[n % 2], "") for n in range(60)]

    def framed(n, image):
        image = image.copy()
        if n % 2:
            image[:4], image[-4:], image[:, :4], image[:, -4:] = 255, 255, 255, 255
        return image

    write_set(tmp_path / "xrays", rows, framed)
    result = lungseg("data", "audit", "folder", "root=xrays", "out=out", cwd=tmp_path)
    found = {row["family"]: row["found"] for row in csv.DictReader((tmp_path / "out" / "shortcuts.csv").open())}
    assert found["border"] == "True", result.stdout
    assert next(line for line in result.stdout.splitlines() if line.startswith("border")).endswith("a shortcut")


def test_volumes_are_compared_by_their_middle_plane(tmp_path):
    films = [case.image.read() for case in phantom.cases(count=3, pixels=96)]
    for n, film in enumerate([*films, films[1]], start=1):
        volume = np.repeat(film.T[:, :, None].astype(np.int16) * 5 - 900, 7, axis=2)
        path = tmp_path / "ct" / "ct_scans" / f"coronacases_org_{n:03d}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    result = lungseg("data", "audit", "covid19_ct", "root=ct", "out=out", "drop_leaks=false", cwd=tmp_path)
    assert "4 cases, 1 pair of twins" in result.stdout, result.stderr
    (row,) = csv.DictReader((tmp_path / "out" / "twins.csv").open())
    assert row["first"].endswith("002.nii.gz")
    assert row["second"].endswith("004.nii.gz")
