"""A process that ends when the one that started it does, however that one ended."""

import ctypes
import os
import signal
import sys

PARENT = "LUNGSEG_PARENT"  # the process that is to be outlived by no one
FAILURE_WANTED = "LUNGSEG_FAILURE_DIR"  # the run directory in which the parent looks for failure.json afterwards
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Where the environment names a parent: be killed with it. Elsewhere, and beside Linux, nothing."""
    parent = os.environ.pop(PARENT, "")
    if not parent.isdigit() or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        raise SystemExit(128 + signal.SIGKILL)
