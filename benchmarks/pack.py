"""Images per second into a net: the pack, direct decoding, and MONAI's two caches, on the same files and transforms.

    uv run --group bench benchmarks/pack.py
    uv run --group bench benchmarks/pack.py --before COMMIT   # this pack beside that of another commit, nothing else

Files are grey PNGs of 299x299 with a mask, read, resized to 256x256, moved and exposed by chance as ``augment=light``
does, and normalised. All four are measured in turn, several times over, in one process each round; medians are told.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import albumentations
import cv2
import monai.transforms as mt
import numpy as np
import torch
from hydra.utils import instantiate
from monai.data import CacheDataset, PersistentDataset
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from hardware import machine, save
from lungseg.core.config.compose import compose
from lungseg.data import packed_cache
from lungseg.data.cache_dir import cache_folder
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.dataset import CaseDataset
from lungseg.data.preprocessing import Preprocessing
from lungseg.data.samplers import ShuffledEpochs
from lungseg.data.sources import phantom

SIZE, BATCH = 256, 16


def write_files(folder: Path, number: int) -> list[Case]:
    """Phantom films as a published set would hold them."""
    cases = []
    for case in phantom.cases(count=number, pixels=256):
        paths = folder / f"{case.id}.png", folder / f"{case.id}-mask.png"
        image = cv2.resize(case.image.read(), (299, 299), interpolation=cv2.INTER_CUBIC)
        mask = cv2.resize(case.masks["lung"].read(), (299, 299), interpolation=cv2.INTER_NEAREST)
        for path, pixels in zip(paths, (image, mask), strict=True):
            Image.fromarray(pixels).save(path)
        cases.append(Case(id=case.id, image=paths[0], masks={"lung": paths[1]}, patient=case.patient, label=case.label))
    return cases


def ours(cases: list[Case], packed: ModuleType | None) -> Dataset:
    how = Preprocessing(SIZE)
    light = instantiate(compose(["augment=light"]).augment, _convert_="all")["transforms"]
    augment = albumentations.Compose(list(light))
    pack = packed.open_pack(cases, ["lung"], how, show=False) if packed else None
    return CaseDataset(cases, CaseReader(["lung"], how, pack), augment)


def monais(cases: list[Case], cache: str, folder: Path) -> Dataset:
    keys, modes = ["image", "mask"], ["bilinear", "nearest"]
    turn = np.pi * 8 / 180
    transforms = mt.Compose(
        [
            mt.LoadImaged(keys, reader="PILReader"),
            mt.EnsureChannelFirstd(keys),
            mt.Resized(keys, (SIZE, SIZE), mode=["area", "nearest"]),
            mt.ScaleIntensityRanged(["image"], 0, 255, 0, 1),
            mt.RandAffined(
                keys, prob=0.7, rotate_range=turn, translate_range=(13, 13), scale_range=(0.1, 0.1), mode=modes
            ),
            mt.RandShiftIntensityd(["image"], 0.15, prob=0.5),
            mt.RandAdjustContrastd(["image"], 0.5, (0.8, 1.2)),
            mt.NormalizeIntensityd(["image"], 0.449, 0.226),
        ]
    )
    items = [{"image": str(case.image), "mask": str(case.masks["lung"])} for case in cases]
    if cache == "memory":
        return CacheDataset(items, transforms, progress=False)
    return PersistentDataset(items, transforms, cache_dir=folder)


def speed(dataset: Dataset, workers: int, epoch: int) -> float:
    """Images per second over one epoch, without the making of the loader's processes."""
    if isinstance(dataset, CaseDataset):
        sampler = ShuffledEpochs(len(dataset), seed=epoch)
        loader = DataLoader(dataset, BATCH, sampler=sampler, num_workers=workers)
    else:
        loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=workers)
    batches: Iterator = iter(loader)
    next(batches)
    started, seen = time.perf_counter(), 0
    for batch in batches:
        seen += len(batch["image"])
    return seen / (time.perf_counter() - started)


def module_of(commit: str, folder: Path) -> ModuleType:
    """The packed cache as it was in another commit, beside everything else as it is now."""
    path = folder / "packed_cache_before.py"
    shown = ["git", "-C", str(Path(__file__).parent), "show", f"{commit}:lungseg/data/packed_cache.py"]
    path.write_bytes(subprocess.run(shown, check=True, capture_output=True).stdout)
    spec = spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seconds_to_make_and_open(cases: list[Case], packed: ModuleType) -> tuple[float, float]:
    shutil.rmtree(cache_folder(), ignore_errors=True)
    times = [time.perf_counter()]
    for _ in range(2):
        packed.open_pack(cases, ["lung"], Preprocessing(SIZE), show=False)
        times.append(time.perf_counter())
    return times[1] - times[0], times[2] - times[1]


def compare_versions(cases: list[Case], before: ModuleType, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Both versions in turn, each first in every second round: seconds to make and open, images per second."""
    modules = {"before": before, "now": packed_cache}
    found: dict[str, dict[str, list[float]]] = {name: {} for name in modules}
    orders = [list(modules), list(modules)[::-1]]
    for round in range(rounds):
        for name in orders[round % 2]:
            make, open_again = seconds_to_make_and_open(cases, modules[name])
            found[name].setdefault("seconds to make", []).append(make)
            found[name].setdefault("seconds to open", []).append(open_again)
    datasets = {name: ours(cases, module) for name, module in modules.items()}
    for round in range(rounds):
        for workers, what in ((0, "images per second, in process"), (2, "images per second, 2 workers")):
            for name in orders[round % 2]:
                found[name].setdefault(what, []).append(speed(datasets[name], workers, round))
    require_same_bits(datasets)
    return found


def require_same_bits(datasets: dict[str, Dataset]) -> None:
    for key in ((epoch, index) for epoch in (0, 1) for index in range(len(datasets["now"]))):
        one, other = datasets["before"][key], datasets["now"][key]
        assert all(torch.equal(one[name], other[name]) for name in one), key


def tell_versions(found: dict[str, dict[str, list[float]]], images: int) -> None:
    medians = {name: {what: statistics.median(values) for what, values in by.items()} for name, by in found.items()}
    ratios = {what: round(now / medians["before"][what], 3) for what, now in medians["now"].items()}
    print(f"{'median':<32}{'before':>10}{'now':>10}{'ratio':>8}")
    for what, ratio in ratios.items():
        print(f"{what:<32}{medians['before'][what]:>10.4g}{medians['now'][what]:>10.4g}{ratio:>8.3f}")
    content = {**machine("torch", "numpy"), "images": images, "found": found, "medians": medians, "ratios": ratios}
    print(f"every sample equal to the bit; written to {save('pack-versions', content)}")


def compare_peers(cases: list[Case], folder: Path, rounds: int) -> dict[str, dict[int, list[float]]]:
    """Images per second, by the number of loading processes."""
    make: dict[str, Callable[[], Dataset]] = {
        "lungseg, pack": lambda: ours(cases, packed_cache),
        "lungseg, direct": lambda: ours(cases, None),
        "MONAI CacheDataset": lambda: monais(cases, "memory", folder),
        "MONAI PersistentDataset": lambda: monais(cases, "disk", folder / "monai"),
    }
    datasets = {name: build() for name, build in make.items()}
    for index in range(len(cases)):
        datasets["MONAI PersistentDataset"][index]  # its first epoch fills the cache
    found: dict[str, dict[int, list[float]]] = {name: {0: [], 2: []} for name in make}
    for round in range(rounds):
        for workers in (0, 2):
            for name, dataset in datasets.items():
                found[name][workers].append(speed(dataset, workers, round))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", metavar="COMMIT", help="compare with the pack of this commit instead of MONAI")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "files").mkdir()
        cases = write_files(folder / "files", given.images)
        os.environ["LUNGSEG_CACHE"] = str(folder / "cache")
        if given.before:
            found = compare_versions(cases, module_of(given.before, folder), given.rounds)
            tell_versions(found, given.images)
        else:
            tell(compare_peers(cases, folder, given.rounds), given.images)


def tell(found: dict[str, dict[int, list[float]]], images: int) -> None:
    medians = {name: {w: statistics.median(values) for w, values in by.items()} for name, by in found.items()}
    print(f"{'images per second, median':<28}{'in process':>12}{'2 workers':>12}")
    for name, by in medians.items():
        print(f"{name:<28}{by[0]:>12.0f}{by[2]:>12.0f}")
    pack = medians["lungseg, pack"]
    others = [name for name in medians if name != "lungseg, pack"]
    ratios = {f"pack / {name}": {w: round(pack[w] / medians[name][w], 2) for w in (0, 2)} for name in others}
    for name, by in ratios.items():
        print(f"{name:<40}{by[0]:>6.1f}x{by[2]:>11.1f}x")
    packages = ("lungseg", "torch", "monai", "albumentations", "opencv-python-headless", "numpy", "pillow")
    content = {**machine(*packages), "images": images, "images_per_second": found, "medians": medians, "ratios": ratios}
    print(f"written to {save('pack', content)}")


if __name__ == "__main__":
    main()
