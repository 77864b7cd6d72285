import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from lungseg.data.audit.shortcuts import Traits, find_shortcuts, traits


def plain(number, seed=0):
    """Traits of images that differ in all that is looked at, by chance alone."""
    rng = np.random.default_rng(seed)
    modes = [("L", 8), ("RGB", 8), ("I;16", 16)]
    made = []
    for _ in range(number):
        mode, bits = modes[rng.integers(3)]
        width, height = rng.integers(900, 1400, 2).tolist()
        border = tuple(rng.uniform(0.1, 0.9, 24).tolist())
        ending = [".png", ".jpg"][rng.integers(2)]
        made.append(Traits(width, height, ending, mode, bits, int(rng.integers(20_000, 90_000)), border))
    return made


def cohort(patients=60, each=2):
    """Labels and patients: a third is A, two thirds are B; each patient has two images of one class."""
    owners = [f"p{n // each}" for n in range(patients * each)]
    return ["A" if int(owner[1:]) % 3 == 0 else "B" for owner in owners], owners


def planted(**changes):
    """The class A has other traits, with a few exceptions."""
    labels, patients = cohort()
    made = [
        replace(one, **changes) if label == "A" and n % 10 else one
        for n, (one, label) in enumerate(zip(plain(len(labels)), labels, strict=True))
    ]
    return find_shortcuts(made, labels, patients)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("image size", {"width": 512, "height": 512}),
        ("file type", {"ending": ".bmp"}),
        ("colour mode", {"mode": "P"}),
        ("bits", {"bits": 12}),
        ("file bytes", {"bytes": 7_000_000}),
        ("border", {"border": (1.0, 0.0) * 12}),
    ],
)
def test_a_planted_shortcut_is_found_and_nothing_beside_it(family, changes):
    shortcuts = planted(**changes)
    one = next(one for one in shortcuts if one.family == family)
    assert one.found
    assert one.accuracy > 0.85
    assert one.chance == 0.5
    assert [each.accuracy for each in shortcuts] == sorted((each.accuracy for each in shortcuts), reverse=True)
    follows = {"image size": {"aspect ratio", "file bytes"}}.get(family, set())
    assert {each.family for each in shortcuts if each.found} - follows == {family}


def test_an_aspect_ratio_in_images_of_all_sizes_is_found():
    labels, patients = cohort()
    made = [
        replace(one, height=round(one.width * (0.8 if label == "A" else 1.0)))
        for one, label in zip(plain(len(labels)), labels, strict=True)
    ]
    aspect = next(one for one in find_shortcuts(made, labels, patients) if one.family == "aspect ratio")
    assert aspect.accuracy > 0.95
    assert (aspect.found, aspect.typical) == (True, {"A": "1.25", "B": "1.00"})


def test_it_says_what_is_typical_of_each_class():
    found = {one.family: one.typical for one in planted(width=512, height=512, ending=".bmp", bytes=1_234_567)}
    assert found["image size"]["A"] == "512x512 (90%)"
    assert found["file type"]["A"] == ".bmp (90%)"
    assert found["file bytes"]["A"] == "1,234,567 bytes"


def test_a_white_frame_is_found_from_the_images_themselves():
    rng = np.random.default_rng(0)
    labels, patients = cohort(40, 1)
    made = []
    for label in labels:
        image = rng.integers(40, 200, (300, 260), dtype=np.uint8)
        if label == "A":
            image[:20], image[-20:], image[:, :18], image[:, -18:] = 255, 255, 255, 255
        made.append(traits(image, None))
    (only,) = find_shortcuts(made, labels, patients)
    assert (only.family, only.accuracy, only.found) == ("border", 1.0, True)


def test_what_is_inside_the_frame_does_not_count():
    image = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
    other = image.copy()
    other[30:-30, 30:-30] //= 3
    assert traits(image, None) == traits(other, None)


@pytest.mark.parametrize("classes", [2, 3])
def test_shuffled_classes_are_reported_about_as_rarely_as_the_level_says(classes):
    reported = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        owners = [f"p{n}" for n in range(30) for _ in range(1 + n % 3)]
        label_of = {f"p{n}": "ABC"[n % classes] for n in rng.permutation(30)}
        look = dict(zip(label_of, plain(30, seed), strict=True))
        made = [look[owner] for owner in owners]  # a patient's images are alike
        labels = dict(zip(label_of, rng.permutation(list(label_of.values())), strict=True))
        found = find_shortcuts(made, [labels[owner] for owner in owners], owners, seed=seed)
        assert len(found) == 7
        reported += any(one.found for one in found)
    assert reported <= 6  # 1 or 2 are expected; 7 or more once in a thousand times


def test_images_of_one_patient_are_no_independent_evidence():
    """Each patient has a frame of their own: it tells the patient, not the class."""
    reported = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        owners = [f"p{n}" for n in range(12) for _ in range(10)]
        label_of = {f"p{n}": "AB"[n % 2] for n in range(12)}
        frames = dict(zip(label_of, rng.uniform(0, 1, (12, 24)), strict=True))
        one = plain(1)[0]
        made = [replace(one, border=tuple((frames[o] + rng.normal(0, 0.01, 24)).tolist())) for o in owners]
        (border,) = find_shortcuts(made, [label_of[owner] for owner in owners], owners, seed=seed)
        reported += border.found
        assert border.accuracy < 0.95
    assert reported <= 4


def test_the_accuracy_is_that_of_an_independent_ridge_on_the_same_border():
    rng = np.random.default_rng(1)
    labels, patients = cohort(200, 1)
    shift = np.array([0.12 * (label == "A") for label in labels])
    borders = rng.normal(0.5, 0.15, (200, 24)) + shift[:, None] * (np.arange(24) % 2 == 0)
    one = plain(1)[0]
    made = [replace(one, border=tuple(row)) for row in borders.tolist()]
    (border,) = find_shortcuts(made, labels, patients)
    told = cross_val_predict(
        RidgeClassifier(class_weight="balanced"), borders, labels, groups=patients, cv=GroupKFold(5)
    )
    assert border.found
    assert border.accuracy == pytest.approx(balanced_accuracy_score(labels, told), abs=0.06)


@pytest.mark.parametrize(
    ("labels", "patients"),
    [
        ([], []),
        (["A"], ["p"]),
        (["A"] * 30, [str(n) for n in range(30)]),
        (["A"] * 30 + ["B"] * 4, [str(n) for n in range(34)]),
        (["A"] * 30 + ["B"] * 30, [str(n) for n in range(30)] + ["one"] * 30),
    ],
)
def test_too_little_to_tell_apart_reports_nothing(labels, patients):
    assert find_shortcuts(plain(len(labels)), labels, patients) == []


def test_a_class_of_few_patients_is_left_out_and_the_rest_is_told():
    labels = ["A"] * 20 + ["B"] * 20 + ["rare"] * 2
    made = [replace(one, mode=label) for one, label in zip(plain(42), labels, strict=True)]
    first = find_shortcuts(made, labels, [str(n) for n in range(42)])[0]
    assert (first.family, first.accuracy, first.chance) == ("colour mode", 1.0, 0.5)
    assert first.typical.keys() == {"A", "B"}


def test_traits_that_never_vary_are_left_out():
    labels, patients = cohort()
    assert find_shortcuts([plain(1)[0]] * len(labels), labels, patients) == []


def test_a_patient_of_two_classes_is_no_obstacle():
    labels = list(itertools.islice(itertools.cycle("AABB"), 80))
    made = [replace(one, bits=8 if label == "A" else 16) for one, label in zip(plain(80), labels, strict=True)]
    bits = next(one for one in find_shortcuts(made, labels, [str(n // 4) for n in range(80)]) if one.family == "bits")
    assert bits.accuracy == 1
    assert bits.found


def test_the_same_is_said_each_time_it_is_asked():
    labels, patients = cohort()
    assert find_shortcuts(plain(120), labels, patients) == find_shortcuts(plain(120), labels, patients)


@pytest.mark.parametrize(
    ("name", "mode", "bits"),
    [("a.png", "L", 8), ("b.jpg", "RGB", 8), ("c.PNG", "I;16", 16), ("d.png", "1", 1), ("e.tif", "F", 32)],
)
def test_a_file_tells_its_type_mode_bits_and_bytes(tmp_path, name, mode, bits):
    path = tmp_path / name
    Image.new("L", (40, 30), 128).convert("I" if mode == "I;16" else mode).convert(mode).save(path)
    found = traits(np.zeros((30, 40), np.uint8), path)
    assert (found.width, found.height, found.ending) == (40, 30, path.suffix.lower())
    assert (found.mode, found.bits, found.bytes) == (mode, bits, path.stat().st_size)
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_file_that_pillow_does_not_know_has_no_mode(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"not a picture")
    found = traits(np.zeros((5, 7), np.uint8), path)
    assert (found.ending, found.mode, found.bits, found.bytes) == (".nii.gz", "", 0, 13)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (64, 3)])
def test_the_border_of_the_smallest_images_is_numbers(shape):
    found = traits(np.full(shape, 51, np.uint8), None)
    assert found.border == (0.2, 0.0) * 12


def test_real_x_rays_of_two_hospitals_are_told_by_their_size(realdata):
    paths = sorted((realdata / "shenzhen_montgomery" / "CXR_png").glob("*.png"))[::6]
    made = [traits(np.asarray(Image.open(path).convert("L")), path) for path in paths]
    first = find_shortcuts(made, [path.name[:3] for path in paths], [path.stem for path in paths])[0]
    assert (first.accuracy, first.found, first.typical["CHN"]) == (1.0, True, "256x256 (100%)")
