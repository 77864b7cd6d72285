import os


def cores() -> int:
    """The CPU cores that this process may use; on a shared machine they are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
