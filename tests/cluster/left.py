"""What a study leaves: its rows in the storage, and processes, of which none may stay."""

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path

from lungseg.sweep.state.study_record import recorded
from lungseg.sweep.state.trial_queue import TrialQueue
from tests.sweep.pretend import end


def states(folder):
    """State -> how many trials of the study are in it."""
    return Counter(row.state for row in TrialQueue(recorded(folder)[0]).rows())


def ends(process, code=0, seconds=120):
    """Its output, once it has ended as it should."""
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        end(process)
    assert process.returncode == code, out + err
    return out, err


def processes():
    """Of all hosts and users, but this one."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and entry.name != str(os.getpid())
    ]


def cmdline(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def cwd(pid):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd")
    return ""


def of(folder):
    """Processes that name something in ``folder``, or work in it."""
    return [pid for pid in processes() if str(folder) in " ".join([*cmdline(pid), cwd(pid)])]


def require_none(folder):
    """No process of ``folder`` is left, or soon will be, and nothing is mounted in it; what is left is killed."""
    deadline = time.monotonic() + 10
    while (left := of(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    assert str(folder) not in Path("/proc/mounts").read_text()
