import contextlib
import os

SHARE = "LUNGSEG_CORES"  # what a sweep leaves for one of its trials


def machine_cores() -> int:
    """Counts the CPU cores that the system gives to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores() -> int:
    """The CPU cores that this process may use; on a shared machine they are fewer than there are."""
    there = machine_cores()
    with contextlib.suppress(KeyError, ValueError):
        return max(1, min(there, int(os.environ[SHARE])))
    return there
