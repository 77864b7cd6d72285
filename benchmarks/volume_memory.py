"""Private memory and seconds to the first batch against the number of volumes, by slices and by patches.

    uv run benchmarks/volume_memory.py [--numbers 20 200 1000]

Volumes of 64 x 128 x 128 are generated and packed (1000 are 3 GB); then a process of its own opens the pack and takes
ten batches. Private memory is RssAnon of that process: pages of the mapped pack are the kernel's, and are given back.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware import machine, save
from lungseg.core.config.data_config import LoaderConfig
from lungseg.data.case import Case
from lungseg.data.case_reader import CaseReader
from lungseg.data.datamodule import CaseDataModule, Datasets
from lungseg.data.packed_cache import open_pack
from lungseg.data.volumes.patch_preprocessing import PatchPreprocessing
from lungseg.data.volumes.patches import DrawnPatches, TiledPatches
from lungseg.data.volumes.preprocessing import SlicePreprocessing
from lungseg.data.volumes.slices import SliceDataset

SHAPE = (64, 128, 128)
VIEWS = ("slices", "patches")


@dataclass(frozen=True)
class Made:
    """A volume of noise, or a mask of a block in it."""

    number: int
    is_mask: bool
    spacing: tuple[float, float, float] = (5.0, 2.5, 2.5)

    def read(self) -> NDArray[np.int16] | NDArray[np.uint8]:
        rng = np.random.default_rng(self.number)
        if not self.is_mask:
            return rng.integers(-1000, 400, SHAPE, dtype=np.int16)
        mask = np.zeros(SHAPE, np.uint8)
        low = rng.integers(8, 40)
        mask[low : low + 16, 40:80, 40:80] = 255
        return mask


def cases(number: int) -> list[Case]:
    return [
        Case(id=f"v{n}", image=Made(n, False), masks={"lung": Made(n, True)}, patient=f"p{n}", label="CT")
        for n in range(number)
    ]


def measured(view: str, number: int) -> dict[str, float]:
    """Opens the pack and takes ten batches."""
    if view == "slices":
        how: SlicePreprocessing | PatchPreprocessing = SlicePreprocessing(size=128, window=(-1250, 250), neighbours=1)
        sets = Datasets(SliceDataset, SliceDataset)
    else:
        how = PatchPreprocessing(window=(-1250, 250), patch=(32, 64, 64))
        sets = Datasets(partial(DrawnPatches, number=8), TiledPatches)
    every = cases(number)
    splits = {"train": every[:-4], "val": every[-4:-2], "test": every[-2:]}
    started = time.perf_counter()
    reader = CaseReader(["lung"], how, open_pack(every, ["lung"], how, show=False))
    data = CaseDataModule(splits, reader, LoaderConfig(4, 0, True, None), datasets=sets)
    batches = iter(data.train_dataloader())
    next(batches)
    first = time.perf_counter() - started
    for _ in range(9):
        next(batches)
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return {"seconds_to_first_batch": first, "rss_anon_mib": int(held.split()[1]) / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numbers", type=int, nargs="+", default=[20, 200, 1000])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one[0], int(given.one[1]))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for view in VIEWS:
            for number in given.numbers:
                command = [sys.executable, __file__, "--one", view, str(number)]
                runs = [json.loads(subprocess.run(command, capture_output=True, text=True, check=True,
                                                  env={**os.environ, "LUNGSEG_CACHE": folder}).stdout)
                        for _ in range(4)]  # fmt: skip
                packing = runs[0]["seconds_to_first_batch"]
                warm = sorted(runs[1:], key=lambda run: run["seconds_to_first_batch"])[1]
                rows.append({"view": view, "volumes": number, "packing_seconds": packing, **warm})
                first, private = warm["seconds_to_first_batch"], warm["rss_anon_mib"]
                print(f"{view:8} {number:5} volumes: first batch {first:.2f} s, private {private:.0f} MiB, "
                      f"packed in {packing:.0f} s")  # fmt: skip
    save("volume_memory", {**machine(), "shape": SHAPE, "rows": rows})


if __name__ == "__main__":
    main()
