"""``lungseg compare`` of many runs on many cases: seconds, megabytes, and how soon its page opens in Chromium.

    uv run benchmarks/page.py

Runs are synthetic: each case has its own difficulty, each run its own noise, a third of the cases has no infection, and
every case is of another patient, which is the slowest. Two seeds make an arm. Pictures are of the size of real ones; a
few are encoded once and stand for all. The page is opened anew in a fresh browser each time: from the navigation to
the attribute that says that everything is drawn. Then a score is chosen, a dot is pointed at, and a column is sorted.
"""

import argparse
import contextlib
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.append(str(Path(__file__).parents[1]))

from hardware import machine, save
from lungseg.cli import compare
from tests.comparison.runs import make_run, people, quick_pictures

SIZES = ((10, 500), (50, 7000), (200, 500))
STEPS = ("gather", "group", "report", "album", "page", "draw")
CHROMIUM = os.environ.get("LUNGSEG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def make(root: Path, runs: int, count: int) -> None:
    rng, cases = np.random.default_rng(0), people(count)
    difficulty = rng.beta(8, 2, count)
    difficulty[::3] = np.nan
    for number in range(runs):
        dice = np.clip(difficulty + rng.normal(-0.002 * (number // 2), 0.08, count), 0, 1)
        alarms = np.where(rng.random(count) < 0.2, rng.integers(1, 50_000, count), 0)
        path = make_run(root / f"run{number:03d}", cases, dice, alarms=alarms, quick=True, pictures=False,
                        seed=number % 2, model__name=f"net{number // 2:03d}")  # fmt: skip
        which = ("image", "reference", "prediction") if number == 0 else ("prediction",)
        quick_pictures(path / "evaluation" / "phantom-test" / "pictures.zip", cases, which, seed=number)


@contextlib.contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Seconds in each step of the command."""
    spent = dict.fromkeys(STEPS, 0.0)
    kept = {name: getattr(compare, name) for name in STEPS}

    def clocked(name):
        def step(*given, **options):
            started = time.perf_counter()
            try:
                return kept[name](*given, **options)
            finally:
                spent[name] += time.perf_counter() - started

        return step

    for name in STEPS:
        setattr(compare, name, clocked(name))
    yield spent
    for name, function in kept.items():
        setattr(compare, name, function)


def opened(file: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds, in each round."""
    found: dict[str, list[float]] = {"open": [], "choose a score": [], "point at a dot": [], "sort": []}
    with sync_playwright() as playwright:
        for _ in range(rounds):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            started = time.perf_counter()
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-ready=true]")
            found["open"].append(time.perf_counter() - started)
            found["choose a score"].append(clock(page, 'chooseMetric("infection/hd95"); await draw();'))
            found["point at a dot"].append(clock(page, "strip.over = strip.points[0][2]; await drawStrip();"))
            found["sort"].append(clock(page, 'sortBy("transfer");'))
            browser.close()
    return found


def clock(page, script: str) -> float:
    return page.evaluate(
        f"async () => {{ const from = performance.now(); {script} return (performance.now() - from) / 1e3; }}"
    )


def measure(runs: int, cases: int, rounds: int) -> dict:
    with tempfile.TemporaryDirectory() as folder, timed() as spent:
        root = Path(folder)
        make(root / "runs", runs, cases)
        started = time.perf_counter()
        compare.compare([root / "runs"], root / "out")
        whole = time.perf_counter() - started
        file = root / "out" / "comparison.html"
        browser = opened(file, rounds)
        return {
            "runs": runs,
            "cases": cases,
            "seconds": {"all": whole, **spent},
            "page_mb": file.stat().st_size / 1e6,
            "memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            "browser_seconds": browser,
            "browser_medians": {name: statistics.median(values) for name, values in browser.items()},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if CHROMIUM is None:
        raise SystemExit("no chromium: install it, or set LUNGSEG_CHROMIUM to one")
    found = [measure(runs, cases, given.rounds) for runs, cases in SIZES]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        content = {**machine("lungseg", "numpy", "scipy", "playwright"), "chromium": browser.version, "sizes": found}
        browser.close()
    tell(content)
    print(f"written to {save('page', content)}")


def tell(content: dict) -> None:
    heads = ["runs x cases", "all, s", "analysis, s", "page, MB", "memory, GB", *content["sizes"][0]["browser_medians"]]
    print("".join(f"{head:>16}" for head in heads))
    for one in content["sizes"]:
        numbers = [one["seconds"]["all"], one["seconds"]["report"], one["page_mb"], one["memory_gb"]]
        numbers += one["browser_medians"].values()
        print(f"{one['runs']:>7} x {one['cases']:>6}" + "".join(f"{number:>16.2f}" for number in numbers))


if __name__ == "__main__":
    main()
