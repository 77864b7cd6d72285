"""How many trials run at once on this machine, and what each may use."""

import os
import shutil
import subprocess

from lungseg.core.cpu_count import SHARE, cores
from lungseg.core.errors import UserError
from lungseg.sweep.spec.settings import Settings

CORES_EACH = 1  # of a trial where a machine without a GPU is shared out: small nets gain little from a second one

Environment = dict[str, str]


def slots(settings: Settings) -> list[Environment]:
    """What each slot's processes find in their environment: its GPUs, its share of the cores."""
    found = gpus()
    share = settings.resources.gpus
    if found and share:
        places = _on_gpus(found, share, settings.slots)
    else:
        each = settings.resources.cpus or CORES_EACH
        count = max(1, cores() // each) if settings.slots == "auto" else int(settings.slots)
        places = [{}] * count
    threads = settings.resources.cpus or max(1, cores() // len(places))
    return [
        {**place, SHARE: str(threads), "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        for place in places
    ]


def gpus() -> list[str]:
    """Those that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [one for one in named.split(",") if one.strip() not in ("", "-1")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False).stdout
    return [str(n) for n, line in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]


def _on_gpus(found: list[str], share: float, wanted: object) -> list[Environment]:
    """Slots take turns over the GPUs; a trial of several GPUs has them to itself."""
    if share > 1:
        size = int(share)
        groups = [found[start : start + size] for start in range(0, len(found) - size + 1, size)]
        if not groups:
            raise UserError(f"resources.gpus={size}: this machine has {len(found)}; ask for fewer, or go to another")
    else:
        groups = [[one] for _ in range(int(1 / share + 1e-9)) for one in found]
    if isinstance(wanted, int):
        groups = [groups[n % len(groups)] for n in range(wanted)]
    return [{"CUDA_VISIBLE_DEVICES": ",".join(group)} for group in groups]
