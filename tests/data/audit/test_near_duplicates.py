import hashlib
import pickle
from collections import defaultdict
from itertools import combinations

import cv2
import numpy as np
import pytest

from lungseg.data.audit.near_duplicates import NearDuplicate, describe, find_twins
from lungseg.data.io.image import read_image
from lungseg.data.sources.phantom import cases


@pytest.fixture(scope="module")
def films():
    """Of 79 patients."""
    return [case.image.read() for case in cases(count=120, seed=21)]


@pytest.fixture(scope="module")
def descriptors(films):
    return [describe(film) for film in films]


def resized(film, width, height):
    return cv2.resize(film, (width, height), interpolation=cv2.INTER_AREA if width < 256 else cv2.INTER_CUBIC)


def compressed(film, quality):
    return cv2.imdecode(cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def toned(film, contrast=1.0, brightness=0.0, gamma=1.0):
    grey = 255 * (film / 255) ** gamma
    return ((grey - 128) * contrast + 128 + brightness).round().clip(0, 255).astype(np.uint8)


def cropped(film, *shares):
    top, bottom, left, right = (round(256 * share) for share in shares)
    return film[top : 256 - bottom, left : 256 - right]


CHANGES = {
    "smaller": lambda film: resized(film, 110, 110),
    "larger": lambda film: resized(film, 400, 400),
    "squashed": lambda film: resized(film, 224, 160),
    "jpeg": lambda film: compressed(film, 25),
    "contrast": lambda film: toned(film, contrast=0.5),
    "clipped": lambda film: toned(film, contrast=1.35, brightness=10),
    "dark": lambda film: toned(film, brightness=-30),
    "gamma": lambda film: toned(film, gamma=1.7),
    "bright gamma": lambda film: toned(film, gamma=0.6),
    "all of it": lambda film: compressed(toned(resized(film, 180, 200), contrast=0.8, gamma=1.2), 50),
}
CROPS = {
    "2 % at each side": lambda film: cropped(film, 0.02, 0.02, 0.02, 0.02),
    "5 % at each side": lambda film: cropped(film, 0.05, 0.05, 0.05, 0.05),
    "one side": lambda film: cropped(film, 0.05, 0, 0, 0),
    "unevenly and rescaled": lambda film: resized(cropped(film, 0.02, 0.04, 0.05, 0.03), 200, 200),
}


def found_of(descriptors, films, change):
    """How many of the changed films are paired with their own, and how many with another."""
    twins = find_twins([*descriptors, *(describe(change(film)) for film in films)])
    assert all(twin.kind == "near" for twin in twins)
    own = [twin for twin in twins if twin.second - twin.first == len(films)]
    return len(own), len(twins) - len(own)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(films, descriptors, change):
    own, others = found_of(descriptors, films, CHANGES[change])
    assert own >= 0.99 * len(films)
    assert others == 0


@pytest.mark.parametrize("change", CROPS)
def test_a_slightly_cropped_copy_is_found(films, descriptors, change):
    own, others = found_of(descriptors, films, CROPS[change])
    assert own >= 0.95 * len(films)
    assert others == 0


def test_different_films_are_no_twins_even_of_one_patient(descriptors):
    assert find_twins(descriptors) == []


def test_equal_pixels_are_identical_however_they_are_stored(films, descriptors, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), films[3], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    cv2.imwrite(str(tmp_path / "a.bmp"), films[3])
    stored = [describe(read_image(tmp_path / name)) for name in ("a.png", "a.bmp")]
    assert find_twins([*descriptors, *stored]) == [
        NearDuplicate(3, 120, "identical", 1.0),
        NearDuplicate(3, 121, "identical", 1.0),
        NearDuplicate(120, 121, "identical", 1.0),
    ]


def test_one_changed_pixel_is_near_and_not_identical(films):
    other = films[0].copy()
    other[100, 100] ^= 255
    (twin,) = find_twins([describe(films[0]), describe(other)])
    assert (twin.first, twin.second, twin.kind) == (0, 1, "near")
    assert 0.97 < twin.likeness <= 1


def test_a_copy_of_two_equal_images_is_paired_with_both(films):
    copies = [films[0], films[1], films[0].copy(), compressed(films[0], 60)]
    twins = find_twins([describe(film) for film in copies])
    assert [(twin.first, twin.second, twin.kind) for twin in twins] == [
        (0, 2, "identical"),
        (0, 3, "near"),
        (2, 3, "near"),
    ]


def test_each_pair_is_there_once_the_likest_first_in_whatever_order_the_images_come(films, descriptors):
    some = [
        *descriptors,
        *(describe(compressed(film, 10 + n % 70)) for n, film in enumerate(films[:60])),
        descriptors[5],
    ]
    twins = find_twins(some)
    pairs = [(twin.first, twin.second) for twin in twins]
    assert len(set(pairs)) == len(pairs) == 62
    assert all(first < second for first, second in pairs)
    assert [twin.likeness for twin in twins] == sorted((twin.likeness for twin in twins), reverse=True)
    order = np.random.default_rng(0).permutation(len(some))
    again = find_twins([some[place] for place in order])
    assert {frozenset(order[[twin.first, twin.second]].tolist()) for twin in again} == set(map(frozenset, pairs))


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_than_two_images_have_no_twins(descriptors, number):
    assert find_twins(descriptors[:number]) == []


def test_flat_images_are_nobodys_twins(films):
    noise = np.random.default_rng(0).normal(0, 1, (9, 200, 200))
    blank = [np.full((64, 80), grey, np.uint8) for grey in (0, 0, 255, 17)]
    noisy = [(120 + one).round().astype(np.uint8) for one in noise]
    slope = [np.tile(np.linspace(low, 255, 300).astype(np.uint8), (200, 1)) for low in (0, 0, 50)]
    descriptors = [describe(image) for image in (*blank, *noisy, *slope)]
    assert all(descriptor.flat for descriptor in descriptors)
    assert find_twins(descriptors) == []
    assert not describe(toned(films[0], contrast=0.2)).flat


def test_pure_noise_is_like_no_other_noise():
    images = np.random.default_rng(0).integers(0, 256, (40, 128, 128), dtype=np.uint8)
    assert find_twins([describe(image) for image in images]) == []


def test_many_equal_images_give_a_list_that_can_be_read(films):
    one = describe(films[0])
    assert len(find_twins([one] * 12)) == 12 * 11 / 2
    twins = find_twins([one] * 3000)
    assert len(twins) < 3000 * 20
    assert {0, *(twin.second for twin in twins)} == set(range(3000))


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (7, 5), (3000, 40), (63, 65)])
def test_images_of_any_size_are_described(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    before = image.copy()
    descriptor = describe(image)
    assert descriptor == describe(np.asfortranarray(image))
    assert (image == before).all()
    assert describe(image.reshape(-1, 1)).digest != descriptor.digest or image.shape[1] == 1


def test_a_descriptor_is_small_and_goes_to_other_processes(descriptors):
    packed = pickle.dumps(descriptors[0])
    assert pickle.loads(packed) == descriptors[0]
    assert len(packed) - len(type(descriptors[0]).__module__) < 2982


def test_the_published_split_of_real_images_has_twins_on_both_sides(realdata):
    root = realdata / "covid19_image_classification"
    paths = sorted(root.rglob("*.png"))
    names = [path.relative_to(root).with_suffix("").as_posix() for path in paths]
    twins = find_twins([describe(read_image(path)) for path in paths])
    found = {
        kind: {(names[t.first], names[t.second]) for t in twins if t.kind == kind} for kind in ("identical", "near")
    }

    equal = defaultdict(list)
    for name, path in zip(names, paths, strict=True):
        equal[hashlib.sha256(path.read_bytes()).digest()].append(name)
    assert found["identical"] == {pair for group in equal.values() for pair in combinations(group, 2)}

    leaks = {pair for pairs in found.values() for pair in pairs if pair[0].split("/")[0] != pair[1].split("/")[0]}
    assert leaks - found["identical"] == {
        ("train/Covid/090", "val/Covid/0112"),
        ("train/Covid/090", "val/Covid/auntminnie-2020_01_31_20_24_2322_2020_01_31_x-ray_coronavirus_US"),
        ("train/Covid/COVID-00022", "val/Covid/0100"),
        ("train/Covid/COVID-00033", "val/Covid/COVID-00037"),
        ("train/Covid/COVID-00037", "val/Covid/COVID-00033"),
    }
    assert len(leaks) == 11
