"""Cases per second of HD95 and surface Dice, and how far the values are from others': MONAI and DeepMind's.

    uv run --group bench benchmarks/surface.py

Cases are the phantom's lungs and infections of 256x256; the prediction is the reference moved by 3 rows and 2 columns
and worn off by 2 pixels. All are measured in turn, several times over, in one process and thread; medians are told.
Agreement is over 1000 masks and more, among them empty and full ones, single pixels, thin lines and noise. DeepMind's
boundary runs between pixels, by its length and without interpolation: its values are others by definition.
"""

import argparse
import itertools
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import surface_distance as deepmind
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from scipy import ndimage

from hardware import machine, save
from lungseg.data.sources import phantom
from lungseg.metrics.surface import SurfaceDistances, assd, hd95, nsd, surface_distances

Mask = NDArray[np.bool_]
Pair = tuple[Mask, Mask]  # predicted, reference
Spacing = tuple[float, ...] | None
TOLERANCE = 2.0

OURS: dict[str, Callable[[SurfaceDistances], float]] = {
    "HD95": hd95,
    "ASSD": assd,
    "surface Dice": lambda distances: nsd(distances, TOLERANCE),
}
MONAI = {
    "HD95": (compute_hausdorff_distance, {"percentile": 95}),
    "ASSD": (compute_average_surface_distance, {"symmetric": True}),
    "surface Dice": (compute_surface_dice, {"class_thresholds": [TOLERANCE]}),
}
DEEPMIND = {
    "HD95": lambda distances: deepmind.compute_robust_hausdorff(distances, 95),
    "ASSD": deepmind.compute_average_surface_distance,
    "surface Dice": lambda distances: deepmind.compute_surface_dice_at_tolerance(distances, TOLERANCE),
}
ASKED = (("HD95",), ("surface Dice",), ("HD95", "ASSD", "surface Dice"))


def ours(names: Sequence[str], predicted: Mask, reference: Mask, spacing: Spacing = None) -> list[float]:
    distances = surface_distances(predicted, reference, spacing)
    return [OURS[name](distances) for name in names]


def monais(names: Sequence[str], predicted: Mask, reference: Mask, spacing: Spacing = None) -> list[float]:
    masks = [torch.from_numpy(mask)[None, None] for mask in (predicted, reference)]
    return [
        float(measure(*masks, include_background=True, spacing=spacing, **how))
        for measure, how in (MONAI[name] for name in names)
    ]


def deepminds(names: Sequence[str], predicted: Mask, reference: Mask) -> list[float]:
    distances = deepmind.compute_surface_distances(reference, predicted, (1.0, 1.0))
    return [DEEPMIND[name](distances) for name in names]


LIBRARIES = {"lungseg": ours, "MONAI": monais, "DeepMind": deepminds}


def phantom_pairs(number: int) -> dict[str, list[Pair]]:
    """Of each region so many, and a few of noise, as an untrained net predicts it."""
    pairs: dict[str, list[Pair]] = {"lung": [], "infection": []}
    for case in phantom.cases(count=10 * number):
        for region, already in pairs.items():
            reference = case.masks[region].read() > 0
            predicted = ndimage.binary_erosion(np.roll(reference, (3, 2), (0, 1)), iterations=2)
            if predicted.any() and len(already) < number:
                already.append((predicted, reference))
        if all(len(already) == number for already in pairs.values()):
            break
    rng = np.random.default_rng(0)
    return pairs | {"noise": [tuple(rng.random((2, 256, 256)) < 0.5) for _ in range(4)]}


def awkward_pairs() -> list[tuple[Mask, Mask, Spacing]]:
    rng, pairs = np.random.default_rng(0), []
    for shape in [(2, 2), (9, 64), (33, 40), (64, 64), (256, 256), (5, 6, 7), (9, 16, 12)]:
        empty = np.zeros(shape, bool)
        corner, line, frame = empty.copy(), empty.copy(), ~empty
        corner[(0,) * len(shape)] = line[..., shape[-1] // 2] = True
        frame[tuple(slice(1, -1) for _ in shape)] = False
        smooth = [ndimage.gaussian_filter(rng.normal(size=shape), 3) > 0 for _ in range(6)]
        masks = [empty, ~empty, corner, np.flip(corner).copy(), line, frame, *smooth]
        masks += [rng.random(shape) < share for share in (0.001, 0.05, 0.5)]
        for predicted, reference in itertools.product(masks, masks):
            pairs.append((predicted, reference, None if rng.random() < 0.4 else tuple(rng.uniform(0.3, 3, len(shape)))))
    return pairs


def agreement() -> dict[str, dict[str, float]]:
    """Metric -> the largest difference from MONAI's value: as it is, by its size, and from ours done in float32.

    Where one mask only is empty we say infinite; how often MONAI does not is told beside.
    """
    names = list(OURS)
    worst = {name: {"absolute": 0.0, "relative": 0.0, "in float32": 0.0, "undefined there only": 0} for name in names}
    for pair in awkward_pairs():
        values = zip(names, ours(names, *pair), monais(names, *pair), in_float32(*pair), strict=True)
        for name, one, other, rounded in values:
            if not np.isfinite(one):
                assert np.isnan(other) or one == other, (name, one, other)
                worst[name]["undefined there only"] += int(np.isinf(one) and np.isnan(other))
                continue
            apart = abs(one - other)
            found = {"absolute": apart, "relative": apart / max(one, 1e-9), "in float32": abs(rounded - other)}
            worst[name] |= {key: max(worst[name][key], value) for key, value in found.items()}
    return worst


def in_float32(*pair: object) -> tuple[float, float, float]:
    """Our distances, rounded and summed up as MONAI does."""
    distances = surface_distances(*pair)
    directions = [torch.from_numpy(one).float() for one in (distances.to_reference, distances.to_prediction)]
    both = torch.cat(directions)
    highest = max((float(torch.quantile(one, 0.95)) for one in directions if len(one)), default=float("nan"))
    return highest, float(both.mean()), float((both <= TOLERANCE).sum() / torch.tensor(len(both)))


def deepmind_apart(sets: dict[str, list[Pair]]) -> dict[str, dict[str, float]]:
    """The median and the largest of DeepMind's value less ours."""
    found = {}
    for region, name in itertools.product(("lung", "infection"), ("HD95", "surface Dice")):
        apart = [deepminds([name], *pair)[0] - ours([name], *pair)[0] for pair in sets[region]]
        found[f"{region}, {name}"] = {"median": statistics.median(apart), "largest": max(apart, key=abs)}
    return found


def speeds(sets: dict[str, list[Pair]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """What is measured -> library -> cases per second in each round, after one that warms up."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in LIBRARIES})
    for round in range(rounds + 1):
        for (kind, pairs), names, library in itertools.product(sets.items(), ASKED, LIBRARIES):
            started = time.perf_counter()
            for pair in pairs:
                LIBRARIES[library](names, *pair)
            if round:
                speed = len(pairs) / (time.perf_counter() - started)
                found[f"{kind}, {' + '.join(names)}"][library].append(speed)
    return dict(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of empty masks, and of names that have moved within SciPy
    sets = phantom_pairs(given.cases)
    found = speeds(sets, given.rounds)
    content = {
        **machine("lungseg", "monai", "surface-distance", "torch", "scipy", "numpy"),
        "cases": {kind: len(pairs) for kind, pairs in sets.items()},
        "tolerance_pixels": TOLERANCE,
        "cases_per_second": found,
        "medians": {
            what: {name: statistics.median(values) for name, values in by.items()} for what, by in found.items()
        },
        "mask_pairs": len(awkward_pairs()),
        "largest_difference_from_monai": agreement(),
        "deepmind_less_ours": deepmind_apart(sets),
    }
    tell(content)
    print(f"written to {save('surface', content)}")


def tell(content: dict) -> None:
    print(
        f"{'cases per second, median':<40}" + "".join(f"{name:>12}" for name in [*LIBRARIES, "/ MONAI", "/ DeepMind"])
    )
    for what, by in content["medians"].items():
        ratios = [by["lungseg"] / by[name] for name in ("MONAI", "DeepMind")]
        print(f"{what:<40}" + "".join(f"{by[name]:>12.0f}" for name in by) + "".join(f"{x:>11.1f}x" for x in ratios))
    for title in ("largest_difference_from_monai", "deepmind_less_ours"):
        columns = next(iter(content[title].values()))
        print(f"\n{title.replace('_', ' '):<40}" + "".join(f"{name:>22}" for name in columns))
        for name, by in content[title].items():
            print(f"{name:<40}" + "".join(f"{value:>22.3g}" for value in by.values()))
    print(f"over {content['mask_pairs']} pairs of masks against MONAI")


if __name__ == "__main__":
    main()
