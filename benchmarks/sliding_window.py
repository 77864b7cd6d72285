"""Seconds and peak memory of a scan through a net, by patches and by slices, beside MONAI's sliding windows.

    uv run --group bench benchmarks/sliding_window.py [--size 64 256 256] [--patch 32 96 96] [--width 8]

Each way runs in a process of its own, in turn and several times over; medians are told. Memory is the most that the
process held (resident), and that less what it held, scan and all, before the first window. MONAI's runs the same net
over the same windows; its largest difference from ours is told beside. The load of the machine stands with each time:
where it changes between ways, their seconds do not say which is faster. ``--only`` measures some of the ways.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from torch import Tensor

from hardware import machine, save
from lungseg.inference.inferers import Patches, Slices
from lungseg.models import unet3d, unet_classic

WAYS = ("lungseg, patches", "MONAI, patches", "lungseg, slices")
MIB = 2**20
CPU = torch.device("cpu")


def strided(patch: tuple[int, int, int], depth: int) -> list[list[int]]:
    return [list(step) for step in unet3d.auto_strides(patch, (2.5, 0.8, 0.8), depth)]


@torch.inference_mode()
def through(way: str, given: argparse.Namespace, scan: Tensor) -> Tensor:
    """Scan [Z, Y, X] -> logits [K, Z, Y, X]; equal seeds, so that both ways by patches have the same net."""
    torch.manual_seed(0)
    patch = tuple(given.patch)
    if way == "lungseg, slices":
        net = unet_classic.build(in_channels=1, regions=given.regions, width=given.width, depth=given.depth).eval()
        return next(iter(Slices(0, given.batch_size)(net, [scan], CPU)))
    net = unet3d.build(
        in_channels=1, regions=given.regions, width=given.width, depth=given.depth, strides=strided(patch, given.depth)
    ).eval()
    if way == "lungseg, patches":
        return next(iter(Patches(patch, given.batch_size, given.overlap)(net, [scan], CPU)))
    from monai.inferers import sliding_window_inference

    found: Tensor = sliding_window_inference(
        scan[None, None], patch, given.batch_size, net, overlap=given.overlap, mode="gaussian"
    )[0]
    return found


def held() -> int:
    """Bytes that are resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(way: str, given: argparse.Namespace) -> dict[str, float]:
    """Runs in the process that is measured; a thread looks at its memory, since the system keeps a peak of all time."""
    torch.set_num_threads(given.threads)
    scan = torch.rand(*given.size, generator=torch.Generator().manual_seed(0))
    small = torch.rand(*given.patch)
    through(way, given, small)  # imports and warms up
    before, most, done, load = held(), [held()], threading.Event(), os.getloadavg()[0]

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    outputs = through(way, given, scan)
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    assert outputs.shape == (given.regions, *given.size)
    if given.keep is not None:
        torch.save(outputs[:, ::8, ::8, ::8].clone(), given.keep / f"{way}.pt")
    return {
        "seconds": seconds,
        "load_before": load,
        "added_mib": (most[0] - before) / MIB,
        "peak_mib": max(most[0], 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / MIB,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=3, default=[300, 512, 512], metavar=("Z", "Y", "X"))
    parser.add_argument("--patch", type=int, nargs=3, default=[32, 96, 96], metavar=("Z", "Y", "X"))
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--regions", type=int, default=2)
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--name", default="sliding_window", help="of the JSON in benchmarks/results")
    parser.add_argument("--keep", type=Path, help=argparse.SUPPRESS)  # a folder for some of the outputs
    parser.add_argument("--here", choices=WAYS, help=argparse.SUPPRESS)  # measures one way in this process
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if given.here:
        print(json.dumps(measure(given.here, given)))
        return
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in given.only}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            for way in given.only:
                asked = [sys.executable, __file__, *sys.argv[1:], "--keep", folder, "--here", way]
                said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
                rounds[way].append(json.loads(said.splitlines()[-1]))
        outputs = {way: torch.load(Path(folder) / f"{way}.pt") for way in given.only if "patches" in way}
    content = {
        **machine("lungseg", "monai", "torch"),
        **{key: getattr(given, key) for key in ("size", "patch", "overlap", "batch_size", "width", "depth", "regions")},
        "threads": given.threads,
        "rounds": rounds,
        "medians": {
            way: {key: statistics.median(each[key] for each in all) for key in all[0]} for way, all in rounds.items()
        },
        "largest_difference_from_monai": apart(list(outputs.values())),
    }
    tell(content)
    print(f"written to {save(given.name, content)}")


def apart(outputs: list[Tensor]) -> float | None:
    return float((outputs[0] - outputs[1]).abs().max()) if len(outputs) == 2 else None


def tell(content: dict) -> None:
    size, patch = ("x".join(map(str, content[key])) for key in ("size", "patch"))
    print(f"{size} voxels, patches of {patch} that overlap by {content['overlap']}, width {content['width']}")
    print(f"{'':<20}{'seconds':>10}{'of rounds':>16}{'MiB added':>12}{'MiB in all':>12}{'load before':>12}")
    for way, found in content["medians"].items():
        times = [each["seconds"] for each in content["rounds"][way]]
        print(
            f"{way:<20}{found['seconds']:>10.1f}{f'{min(times):.1f}-{max(times):.1f}':>16}"
            f"{found['added_mib']:>12.0f}{found['peak_mib']:>12.0f}{found['load_before']:>12.1f}"
        )
    print(f"largest difference from MONAI's: {content['largest_difference_from_monai']}")


if __name__ == "__main__":
    main()
