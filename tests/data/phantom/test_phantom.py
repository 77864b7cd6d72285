import hashlib
import pickle
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from omegaconf import OmegaConf
from sklearn.metrics import roc_auc_score

from lungseg.core.errors import UserError
from lungseg.data.case import Case, Rendered
from lungseg.data.sources import phantom
from lungseg.data.sources.phantom import cases

PIXELS = 128


def pixels_of(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return case.image.read(), case.masks["lung"].read() > 0, case.masks["infection"].read() > 0


@lru_cache
def films(difficulty: str = "normal") -> list[tuple[Case, np.ndarray, np.ndarray, np.ndarray]]:
    return [(case, *pixels_of(case)) for case in cases(count=80, seed=1, pixels=PIXELS, difficulty=difficulty)]


def digest(case: Case) -> str:
    pictures = [case.image, case.masks["lung"], case.masks["infection"]]
    return hashlib.sha256(b"".join(picture.read().tobytes() for picture in pictures)).hexdigest()


# -- the same bytes ----------------------------------------------------------------------------------------------


def test_a_picture_reads_the_same_twice_and_is_the_caller_s_own():
    case = cases(count=1, pixels=64)[0]
    first = case.image.read()
    kept = first.copy()
    first[:] = 0
    phantom._render.cache_clear()
    assert np.array_equal(case.image.read(), kept)


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, "6a7d05322023cd8b"), (3, "bdb69af6191208bc"), (5, "9ee2c0bc0ecfcf93")],
)
def test_bytes_are_pinned(index, expected):
    assert digest(cases(count=6, seed=7, pixels=96)[index])[:16] == expected


def test_a_film_does_not_depend_on_the_count():
    few, many = cases(count=7, pixels=48), cases(count=50, pixels=48)
    assert few == many[:7]
    assert digest(few[6]) == digest(many[6])


def test_seeds_and_indices_differ():
    assert len({digest(case) for seed in (0, 1) for case in cases(count=5, seed=seed, pixels=48)}) == 10


def test_pictures_are_small_hashable_and_survive_pickling():
    case = cases(count=2, pixels=64)[1]
    picture = case.masks["lung"]
    assert isinstance(picture, Rendered)
    assert len(pickle.dumps(picture)) < 500
    again = pickle.loads(pickle.dumps(case))
    assert again == case
    assert hash(again.image) == hash(case.image)
    assert digest(again) == digest(case)


def test_an_image_and_its_masks_are_rendered_once():
    case = cases(count=1, seed=99, pixels=48)[0]
    phantom._render.cache_clear()
    digest(case)
    assert phantom._render.cache_info().misses == 1


# -- who is who --------------------------------------------------------------------------------------------------


def test_patients_have_one_to_three_films_and_one_class():
    made = cases(count=150)
    assert len(made) == len({case.id for case in made}) == 150
    films_each = Counter(case.patient for case in made)
    assert set(films_each.values()) == {1, 2, 3}
    assert len({(case.patient, case.label) for case in made}) == len(films_each)
    assert made[0].id == "phantom-0001-1"
    assert all(case.id.startswith(case.patient) and case.split is None for case in made)


@pytest.mark.parametrize(
    "mix",
    [
        {"COVID-19": 0.4, "Non-COVID": 0.3, "Normal": 0.3},
        {"COVID-19": 0.1, "Non-COVID": 0.2, "Normal": 0.7},
        {"COVID-19": 0.5, "Normal": 0.5},
        {"Normal": 1},
    ],
)
def test_the_mix_is_kept(mix):
    made = cases(count=120, seed=3, mix=OmegaConf.create(mix))
    found = Counter(case.label for case in made)
    assert set(found) == set(mix)
    assert all(abs(found[label] / 120 - share) < 0.03 for label, share in mix.items())


@pytest.mark.parametrize("seed", range(20))
def test_nine_films_hold_every_class(seed):
    assert len({case.label for case in cases(count=9, seed=seed)}) == 3
    rare = {"COVID-19": 0.01, "Non-COVID": 0.01, "Normal": 0.98}
    assert len({case.label for case in cases(count=9, seed=seed, mix=rare)}) == 3


def test_films_of_one_patient_differ():
    made = [case for case in cases(count=12, pixels=64) if case.patient == "phantom-0001"]
    assert len(made) > 1
    assert len({digest(case) for case in made}) == len(made)


def test_the_patients_of_each_class_go_to_the_hospitals_in_turn():
    made = cases(count=120, domains=OmegaConf.create({"north": "easy", "south": "hard"}))
    plain = cases(count=120)
    assert [replace(case, domain=None, image=None, masks={}) for case in made] == [
        replace(case, image=None, masks={}) for case in plain
    ]
    assert len({(case.patient, case.domain) for case in made}) == len({case.patient for case in made})
    for label in ("COVID-19", "Non-COVID", "Normal"):
        patients = {case.patient: case.domain for case in made if case.label == label}
        assert list(patients.values())[:3] == ["north", "south", "north"]
    for case in made:
        assert case.image.study.difficulty == {"north": "easy", "south": "hard"}[case.domain]
    assert {case.domain for case in plain} == {None}
    assert cases(count=7, domains={"north": "easy", "south": "hard"}) == made[:7]


# -- what it shows -----------------------------------------------------------------------------------------------


def test_pictures_are_uint8_and_use_the_range():
    for case, image, _, _ in films():
        assert image.dtype == np.uint8
        assert image.shape == (PIXELS, PIXELS)
        assert np.ptp(image) > 150
        assert set(np.unique(case.masks["lung"].read())) == {0, 255}


def test_lungs_are_two_dark_and_of_sensible_size():
    for _, image, lung, _ in films():
        assert 0.15 < lung.mean() < 0.45
        assert image[lung].mean() < image[~lung & (image > 8)].mean()
    shares = [lung.mean() for _, _, lung, _ in films()]
    assert 0.2 < np.median(shares) < 0.35


def test_the_right_lung_is_wider_at_the_base():
    ratios = []
    for _, _, lung, _ in films():
        lower = lung[PIXELS * 2 // 5 : PIXELS * 3 // 5]
        ratios.append(lower[:, : PIXELS // 2].sum() / lower[:, PIXELS // 2 :].sum())
    assert np.median(ratios) > 1.02
    assert np.std(ratios) > 0.05


def test_infection_is_covid_s_alone_and_inside_the_lungs():
    for case, _, lung, infection in films():
        assert infection.any() == (case.label == "COVID-19"), case.id
        assert not (infection & ~lung).any()


def test_infection_varies_and_favours_base_and_periphery():
    shares, lower, outer = [], [], []
    for _, _, lung, infection in (film for film in films() if film[0].label == "COVID-19"):
        shares.append(infection.sum() / lung.sum())
        (y, x), (lung_y, lung_x) = np.nonzero(infection), np.nonzero(lung)
        lower.append(y.mean() > lung_y.mean())
        outer.append(np.abs(x - lung_x.mean()).mean() > np.abs(lung_x - lung_x.mean()).mean())
    assert 0.01 < min(shares) < 0.1
    assert 0.25 < max(shares) < 0.55
    assert np.mean(lower) > 0.8
    assert np.mean(outer) > 0.8


@pytest.mark.parametrize("other", ["Non-COVID", "Normal"])
def test_brightness_does_not_tell_the_class(other):
    chosen = [film for film in films() if film[0].label in ("COVID-19", other)]
    truth = [case.label == "COVID-19" for case, *_ in chosen]
    for score in ([image.mean() for _, image, _, _ in chosen], [image[lung].mean() for _, image, lung, _ in chosen]):
        assert 0.25 < roc_auc_score(truth, score) < 0.75


def test_resolution_changes_the_grain_only():
    for small, large in zip(cases(count=9, pixels=64), cases(count=9, pixels=256), strict=True):
        coarse, fine = pixels_of(small), pixels_of(large)
        for mask, other in zip(coarse[1:], fine[1:], strict=True):
            shrunk = other.reshape(64, 4, 64, 4).mean((1, 3)) > 0.5
            if mask.sum() > 60:
                assert 2 * (mask & shrunk).sum() / (mask.sum() + shrunk.sum()) > 0.95
        shrunk = fine[0].reshape(64, 4, 64, 4).mean((1, 3))
        assert np.corrcoef(coarse[0].ravel(), shrunk.ravel())[0, 1] > 0.97


def test_difficulty_lowers_the_contrast_of_infections():
    def contrast(difficulty: str) -> float:
        made = cases(count=30, seed=1, pixels=64, mix={"COVID-19": 1.0}, difficulty=difficulty)
        shown = [pixels_of(case) for case in made]
        return float(np.mean([image[inf].mean() - image[lung & ~inf].mean() for image, lung, inf in shown]))

    assert contrast("easy") > 1.2 * contrast("normal") > 1.4 * contrast("hard") > 0


# -- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"count": -1}, "data.count"),
        ({"count": 2.5}, "data.count"),
        ({"seed": -1}, "data.seed"),
        ({"pixels": 16}, "data.pixels"),
        ({"difficulty": "impossible"}, "data.difficulty"),
        ({"mix": {"Flu": 1.0}}, "data.mix"),
        ({"mix": {"COVID-19": 0.5, "Normal": 0.4}}, "data.mix"),
        ({"mix": {"COVID-19": 1.5, "Normal": -0.5}}, "data.mix"),
        ({"mix": {"COVID-19": "much"}}, "data.mix"),
        ({"mix": None}, "data.mix"),
        ({"domains": {}}, "data.domains"),
        ({"domains": ["north"]}, "data.domains"),
        ({"domains": {"north": "tough"}}, r"data\.domains\.north=tough: expected one of easy, normal, hard"),
    ],
)
def test_bad_options_are_one_line_with_the_key(options, key):
    with pytest.raises(UserError, match=key) as refused:
        cases(**options)
    assert "\n" not in str(refused.value)


def test_no_films_are_no_cases():
    assert cases(count=0) == []
