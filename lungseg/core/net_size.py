"""Tells how large a net would be, and whether it can be built here, before it is built. Imports nothing heavy."""

import contextlib
import os
import sys
from itertools import pairwise
from pathlib import Path

from lungseg.core.errors import UserError

BYTES = 8  # of each parameter: its weight and its gradient, or its copy in a checkpoint
GIB = 2**30
LEAST_HALVED = 8  # voxels of a patch along an axis that is halved
LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")


def require_room(parameters: int, keys: str) -> None:
    """Refuses a net whose weights and gradients alone are more than this machine's memory."""
    there = memory()
    if parameters * BYTES > there:
        raise UserError(
            f"{keys}: the net would have {size(parameters)}; this machine has {said(there / GIB)} GiB: expected a "
            "smaller net"
        )


def size(parameters: int) -> str:
    """Writes a size as a person reads it."""
    return f"{said(parameters)} parameters, {said(parameters * BYTES / GIB)} GiB with their gradients"


def classic_parameters(in_channels: int, regions: int, width: int, depth: int, bilinear: bool) -> int:
    """Counts the parameters of ``model=unet_classic`` by formula: one too large cannot even be described by layers."""

    def block(inward: int, outward: int) -> int:
        return 9 * inward * outward + 9 * outward * outward + 4 * outward  # two convolutions, two batch norms

    channels = [width << level for level in range(depth + 1)]
    down = sum(block(a, b) for a, b in pairwise([in_channels, *channels]))
    up = sum((2 if bilinear else 8) * c * c + c + block(2 * c, c) for c in channels[:-1])
    return down + up + width * regions + regions


def can_be_halved(side: int) -> bool:
    """Returns whether a net for volumes may halve an axis of so many voxels: into whole ones, and not to nothing."""
    return side % 2 == 0 and side >= LEAST_HALVED


def halvings(side: int) -> int:
    """Counts how often in a row an axis of so many voxels can be halved."""
    return 1 + halvings(side // 2) if can_be_halved(side) else 0


def memory(root: Path = Path("/")) -> int:
    """Bytes of this machine, or of the container that this process is in; no limit where the system says none."""
    found = sys.maxsize
    with contextlib.suppress(AttributeError, ValueError):  # Windows, or a system without these names
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max": there is none
            found = min(found, int((root / limit).read_text()))
    return found


def said(number: float) -> str:
    """Writes a number as a person reads it: 31,000,000 or 1.4e+33."""
    if number >= 1e15:
        return f"{float(number):.1e}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}"
