"""Copies among many X-rays: seconds by number of images, share found by kind of change, pairs that are no copies.

    uv run benchmarks/twins.py

Films are phantoms of patients with one to three films each. Some of them, as many for every kind of change, have one
changed copy that is searched for in the whole crowd. Any other pair is a false one, two films of one patient too.
"""

import argparse
import resource
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hardware import machine, save
from lungseg.core.cpu_count import cores
from lungseg.data.audit.near_duplicates import Descriptor, describe, find_twins
from lungseg.data.case import Case
from lungseg.data.sources import phantom

Gray = NDArray[np.uint8]


def resized(film: Gray, across: float, down: float) -> Gray:
    size = round(film.shape[1] * across), round(film.shape[0] * down)
    how = cv2.INTER_AREA if min(across, down) < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(film, size, interpolation=how), np.uint8)


def compressed(film: Gray, quality: int) -> Gray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0), np.uint8)


def toned(film: Gray, contrast: float, brightness: float, gamma: float) -> Gray:
    grey = 255 * (film / 255) ** gamma
    return np.rint((grey - 128) * contrast + 128 + brightness).clip(0, 255).astype(np.uint8)


def cropped(film: Gray, shares: NDArray[np.float64]) -> Gray:
    top, bottom, left, right = np.rint(np.repeat(film.shape, 2) * shares).astype(int)
    return film[top : film.shape[0] - bottom, left : film.shape[1] - right]


def rescaled(film: Gray, rng: np.random.Generator) -> Gray:
    return resized(film, *(rng.uniform(0.4, 1.6, 1).repeat(2)))


def squashed(film: Gray, rng: np.random.Generator) -> Gray:
    return resized(film, rng.uniform(0.4, 1.2), rng.uniform(0.4, 1.2))


def jpeg(film: Gray, rng: np.random.Generator) -> Gray:
    return compressed(film, int(rng.integers(15, 90)))


def contrast(film: Gray, rng: np.random.Generator) -> Gray:
    return toned(film, rng.uniform(0.6, 1.5), rng.uniform(-30, 30), 1)


def gamma(film: Gray, rng: np.random.Generator) -> Gray:
    return toned(film, 1, 0, np.exp(rng.uniform(-0.6, 0.6)))


def all_of_it(film: Gray, rng: np.random.Generator) -> Gray:
    small = resized(film, rng.uniform(0.5, 1.4), rng.uniform(0.5, 1.4))
    return compressed(toned(small, rng.uniform(0.7, 1.3), 0, np.exp(rng.uniform(-0.4, 0.4))), int(rng.integers(30, 90)))


def clahe(film: Gray, rng: np.random.Generator) -> Gray:
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(film), np.uint8)


def equalised(film: Gray, rng: np.random.Generator) -> Gray:
    return np.asarray(cv2.equalizeHist(film), np.uint8)


def cropped_2(film: Gray, rng: np.random.Generator) -> Gray:
    return cropped(film, rng.uniform(0, 0.02, 4))


def cropped_5(film: Gray, rng: np.random.Generator) -> Gray:
    return cropped(film, rng.uniform(0.02, 0.05, 4))


def one_side(film: Gray, rng: np.random.Generator) -> Gray:
    return cropped(film, np.eye(4)[rng.integers(4)] * rng.uniform(0.02, 0.05))


def two_sides(film: Gray, rng: np.random.Generator) -> Gray:
    return cropped(film, rng.permutation([1, 1, 0, 0]) * rng.uniform(0.02, 0.05, 4))


def cropped_8(film: Gray, rng: np.random.Generator) -> Gray:
    return cropped(film, rng.uniform(0.05, 0.08, 4))


CHANGES: dict[str, Callable[[Gray, np.random.Generator], Gray]] = {
    "rescaled to 40-160 %": rescaled,
    "squashed to 40-120 %": squashed,
    "JPEG, quality 15-90": jpeg,
    "contrast 0.6-1.5, brightness +-30, clipped": contrast,
    "gamma 0.55-1.8": gamma,
    "rescaled, toned and JPEG": all_of_it,
    "CLAHE": clahe,
    "histogram equalised": equalised,
    "cropped 0-2 % at each side": cropped_2,
    "cropped 2-5 % at each side": cropped_5,
    "cropped 2-5 % at one side": one_side,
    "cropped 2-5 % at two sides": two_sides,
    "cropped 5-8 % at each side": cropped_8,
}


def look(task: tuple[int, Case, str | None]) -> list[Descriptor]:
    """Of a film and of its changed copy, where it has one."""
    number, case, change = task
    film = case.image.read()
    copies = [CHANGES[change](film, np.random.default_rng(number))] if change else []
    return [describe(image) for image in (film, *copies)]


def looks(images: int, each: int, seed: int) -> tuple[list[Descriptor], list[str]]:
    """Descriptors of ``images`` films and copies, the copies last, and what was done to each copy."""
    done = [change for change in CHANGES for _ in range(each)]
    large = phantom.cases(count=len(done), seed=seed, pixels=256)
    small = phantom.cases(count=images - len(done), seed=seed, pixels=128)[len(done) :]
    tasks = [(n, case, change) for n, (case, change) in enumerate(zip(large, done, strict=True))]
    tasks += [(n, case, None) for n, case in enumerate(small)]
    with ProcessPoolExecutor(cores()) as pool:
        both = list(tqdm(pool.map(look, tasks, chunksize=32), "rendering", len(tasks), leave=False))
    return [one[0] for one in both] + [one[1] for one in both if len(one) > 1], done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=33_920)
    parser.add_argument("--each", type=int, default=200, help="copies of every kind of change")
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    descriptors, done = looks(given.images, given.each, given.seed)
    films = given.images - len(done)
    speed = []
    print(f"{'images':>8}{'seconds':>10}{'CPU':>8}{'GiB':>8}{'false pairs':>14}")
    for number in sorted({*(n for n in (1000, 4000, 16_000) if n < films), given.images}):
        started, busy = time.perf_counter(), time.process_time()
        twins = find_twins(descriptors[:number])
        seconds, cpu = time.perf_counter() - started, time.process_time() - busy
        false = [twin for twin in twins if twin.second - twin.first != films]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        speed.append({"images": number, "seconds": seconds, "cpu_seconds": cpu, "false_pairs": len(false)})
        print(f"{number:>8}{seconds:>10.1f}{cpu:>8.1f}{memory:>8.2f}{len(false):>14}")
    found = Counter(done[twin.first] for twin in twins if twin.second - twin.first == films)
    recall = {change: found[change] / given.each for change in CHANGES}
    print(f"\n{'found':<44}{'of ' + str(given.each):>8}")
    for change, share in recall.items():
        print(f"{change:<44}{share:>8.1%}")
    setting = {"films": films, "copies_of_each_kind": given.each, "seed": given.seed, "peak_GiB": round(memory, 2)}
    packages = ("lungseg", "numpy", "scipy", "opencv-python-headless")
    print(f"written to {save('twins', {**machine(*packages), **setting, 'speed': speed, 'recall': recall})}")


if __name__ == "__main__":
    main()
