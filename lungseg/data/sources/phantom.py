"""Built-in chest X-rays, computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lungseg.core.errors import DataError
from lungseg.data.case import Case
from lungseg.data.phantom.anatomy import breasts, bubble, soft_tissue
from lungseg.data.phantom.bones import skeleton
from lungseg.data.phantom.disease import Opacity, consolidation, ground_glass, healthy
from lungseg.data.phantom.film import DIFFICULTIES, collimation, devices, expose, mark
from lungseg.data.phantom.geometry import Frame
from lungseg.data.phantom.lungs import Lung, lungs, vessels
from lungseg.data.phantom.patient import Body, Pose

CLASSES = ("COVID-19", "Non-COVID", "Normal")
MIX: Mapping[str, float] = {"COVID-19": 0.4, "Non-COVID": 0.3, "Normal": 0.3}


@dataclass(frozen=True, slots=True)
class Study:
    """All that a film depends on; ``index`` counts films, ``patient`` patients, both from 0."""

    seed: int
    index: int
    patient: int
    label: str
    pixels: int
    difficulty: str


@dataclass(frozen=True, slots=True)
class Film:
    """A study's image or mask: ``part`` is image, lung or infection."""

    study: Study
    part: str

    def read(self) -> NDArray[np.uint8]:
        """[pixels, pixels]."""
        return _render(self.study)[self.part].copy()


@lru_cache(maxsize=64)
def _render(study: Study) -> dict[str, NDArray[np.uint8]]:
    how = DIFFICULTIES[study.difficulty]
    body = Body.draw(_random(study, 0, study.patient))
    frame = Frame(study.pixels, Pose.draw(_random(study, 1, study.index), body.bend))
    pair = lungs(frame, body)
    inside = np.maximum(pair[0].depth, pair[1].depth)
    opacity = _disease(study, frame, body, pair)
    tree = vessels(frame, _random(study, 3, study.patient), pair)
    rng = _random(study, 4, study.index)
    dense = opacity.filling * 0.42 + tree * (1 - opacity.filling) + 0.012 * frame.noise(rng, 60)
    dense *= np.clip(inside / 0.03, 0, 1)
    tissue = soft_tissue(frame, body, pair)
    dense += tissue + 0.02 * frame.noise(rng, 5) * (tissue > 0.05)
    dense -= 0.25 * bubble(frame, rng, pair)
    dense += breasts(frame, body)
    dense += skeleton(frame, body, pair)
    dense += devices(frame, _random(study, 5, study.index), how.clutter)
    film = expose(frame, _random(study, 6, study.index), dense, how.noise)
    rng = _random(study, 7, study.index)
    beam = collimation(frame, rng)
    film = mark(frame, rng, film * beam)
    lung = (inside > 0) & (beam > 0.5)
    return {
        "image": np.rint(film).astype(np.uint8),
        "lung": lung.astype(np.uint8) * 255,
        "infection": (opacity.infection & lung).astype(np.uint8) * 255,
    }


def _disease(study: Study, frame: Frame, body: Body, pair: tuple[Lung, Lung]) -> Opacity:
    rng, contrast = _random(study, 2, study.index), DIFFICULTIES[study.difficulty].contrast
    severity = float(np.clip(body.severity + rng.uniform(-0.3, 0.3), 0, 1))
    if study.label == "COVID-19":
        return ground_glass(frame, rng, pair, severity, contrast)
    if study.label == "Non-COVID":
        return consolidation(frame, rng, pair, severity, contrast)
    return healthy(frame)


def _random(study: Study, part: int, number: int) -> np.random.Generator:
    """Numbers of their own for each part of a film, so that no part moves another."""
    return np.random.Generator(np.random.PCG64([study.seed, part, number]))


def cases(
    *,
    count: int = 360,
    seed: int = 0,
    pixels: int = 256,
    mix: Mapping[str, float] = MIX,
    difficulty: str = "normal",
    domains: Mapping[str, str] | None = None,
) -> list[Case]:
    """``count`` films of patients with one to three films each; the first n are the same whatever the ``count``.

    ``domains`` names hospitals, each with the difficulty of its films: the patients of each class go to them in turn.
    """
    _check(count, seed, pixels, difficulty)
    _check_mix(mix)
    hospitals = _hospitals(domains)
    made = []
    for index, (patient, number, label, turn) in zip(range(count), _patients(seed, mix), strict=False):
        domain, how = hospitals[turn % len(hospitals)] if hospitals else (None, difficulty)
        study = Study(seed, index, patient, label, pixels, how)
        name = f"phantom-{patient + 1:04d}"
        masks = {region: Film(study, region) for region in ("lung", "infection")}
        image = Film(study, "image")
        made.append(Case(id=f"{name}-{number}", image=image, masks=masks, patient=name, label=label, domain=domain))
    return made


def _patients(seed: int, mix: Mapping[str, float]) -> Iterator[tuple[int, int, str, int]]:
    """(patient, number of the film from 1, class, which of its class's patients from 0) without end."""
    rng = np.random.Generator(np.random.PCG64([seed, 8]))
    shares = {label: float(mix[label]) for label in CLASSES if mix.get(label, 0) > 0}
    given = dict.fromkeys(shares, 0)
    turns = dict.fromkeys(shares, 0)
    patient, total = 0, 0
    while True:
        films = 1 + int(np.searchsorted([0.45, 0.8], rng.random()))
        total += films
        owed = {label: (given[label] == 0, share * total - given[label]) for label, share in shares.items()}
        label = max(owed, key=lambda one: owed[one])
        given[label] += films
        for number in range(1, films + 1):
            yield patient, number, label, turns[label]
        turns[label] += 1
        patient += 1


def _check(count: int, seed: int, pixels: int, difficulty: str) -> None:
    for key, value, least, usual in (("count", count, 0, 360), ("seed", seed, 0, 0), ("pixels", pixels, 32, 256)):
        if not isinstance(value, int) or value < least:
            raise DataError(f"data.{key}={value}: expected a whole number from {least} on; give data.{key}={usual}")
    if difficulty not in DIFFICULTIES:
        known = ", ".join(DIFFICULTIES)
        raise DataError(f"data.difficulty={difficulty}: expected one of {known}; give data.difficulty=normal")


def _check_mix(mix: Mapping[str, float]) -> None:
    known = ", ".join(CLASSES)
    if not isinstance(mix, Mapping):
        raise DataError(f"data.mix={mix}: expected a share for each of {known}; give data.mix={{Normal: 1}}")
    found = ", ".join(f"{label}: {mix[label]}" for label in mix)
    unknown = [label for label in mix if label not in CLASSES]
    if unknown:
        raise DataError(f"data.mix={{{found}}}: {unknown[0]} is no class; expected {known}; rename or remove it")
    shares = [mix[label] for label in mix]
    if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise DataError(f"data.mix={{{found}}}: expected shares from 0 to 1 that sum to 1; give data.mix={{Normal: 1}}")


def _hospitals(domains: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """(name, difficulty) of each, in the order given; none for None."""
    if domains is None:
        return []
    known = ", ".join(DIFFICULTIES)
    if not isinstance(domains, Mapping) or not domains:
        raise DataError(
            f"data.domains={domains}: expected hospitals and how hard their films are, each one of {known}; "
            "give data.domains={north:easy,south:hard}"
        )
    for name, difficulty in domains.items():
        if difficulty not in DIFFICULTIES:
            raise DataError(f"data.domains.{name}={difficulty}: expected one of {known}; give data.domains.{name}=easy")
    return [(str(name), difficulty) for name, difficulty in domains.items()]
